"""Real reader processes with a real reactor: ``python -m tests.children.reading NAME`` prints what happens."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet import reactor as real
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from mpcontinuity.children.pool import Children, Died
from mpcontinuity.children.readers import Readers, pool
from mpcontinuity.message.display import work
from mpcontinuity.message.display.shown import Wanted
from tests.children.forbidden import TRIES
from tests.fakes.failures import tell

FORBIDDEN = "tests.children.forbidden"
BOMB = b"Content-Type: text/html\r\n\r\n" + b"<a><b x=1><i>" * 300 + b"<table><b>" * 3_000
PLAIN = b"Subject: a\r\n\r\nHello"
reactor: Any = real


def say(*values: object) -> None:
    print(*values, flush=True)


def pause(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)


async def asked(children: Children, question: str) -> str:
    try:
        job = await children.begin(FORBIDDEN, b"")
        try:
            return (await job.ask(question.encode())).decode()
        finally:
            job.close()
    except Died as died:
        return f"died: {died}"


def forbidding(**given: Any) -> Children:
    return Children(reactor, program=("mpcontinuity.children.reader", FORBIDDEN), announces=True, **given)


async def everything() -> None:
    children = forbidding(most=1)
    for question in TRIES:
        say(f"{question}: {await asked(children, question)}")
    say("environment:", await asked(children, "environment"))
    say("died:", children.died)
    children.stop()


async def bounds() -> None:
    children = forbidding(most=1, within=100.0)
    begun = time.monotonic()
    say(await asked(children, "loop"))  # by the limit on processor time
    say("soon", time.monotonic() - begun < 90)  # where others compute, what computes for strangers comes last
    say((await asked(children, "memory")).startswith("died"))
    say((await asked(children, "pid")).isdecimal())
    children.stop()


async def kept() -> None:
    children = forbidding(most=2, within=1.0, whole=1.0, idle=float("inf"))
    children.keep()
    while len(children._free) < 2:
        await pause(0.05)
    first = set(children.pids)
    waiting = Deferred.fromCoroutine(asked(children, "sleep"))
    await pause(0.3)
    (busy,) = first - {child.pid for child in children._free}
    os.kill(busy, signal.SIGKILL)
    say((await waiting).partition(":")[0])
    while len(children._free) < 2:
        await pause(0.05)
    say(len(first & set(children.pids)), len(children.pids), children.died)
    children.stop()


async def shown(readers: Readers, whom: object, content: bytes) -> str:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(content), 65_536):
            yield content[at : at + 65_536]

    try:
        answer = await readers.ask(whom, work.argument(Wanted(len(content))), work.SHOW, pieces)
    except Died as died:
        return f"died: {died}"
    return work.as_shown(answer).text


async def stopped() -> None:
    """A machine that has no time for a reader: the clock goes on, and the reader computes nothing."""
    children = pool(reactor)
    children.keep()
    readers = Readers(children, reactor)
    while len(children._free) < 2:
        await pause(0.05)
    for pid in children.pids:
        os.kill(pid, signal.SIGSTOP)
    reading = Deferred.fromCoroutine(shown(readers, 1, PLAIN))
    await pause(2.5)
    for pid in children.pids:
        os.kill(pid, signal.SIGCONT)
    say(await reading, children.died)
    children.stop()


async def messages() -> None:
    children = pool(reactor)
    readers = Readers(children, reactor)
    for charset in ("utf-8", "big5hkscs", "iso-2022-jp", "utf-7", "gb18030", "euc_kr", "koi8-r"):
        text = "Ж" if charset == "koi8-r" else "日"
        content = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + text.encode(charset)
        say(await shown(readers, 1, content) == text)
    say(await shown(readers, 1, b"x: " + b"y" * 300_000 + b"\r\n\r\nlong") == "long")
    children.stop()


def main() -> None:
    done = Deferred.fromCoroutine(globals()[sys.argv[1]]())
    done.addErrback(tell)
    done.addBoth(lambda _: reactor.callLater(0.1, reactor.stop))
    reactor.run()


if __name__ == "__main__":
    main()
