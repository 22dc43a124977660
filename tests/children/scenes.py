"""What happens between a real reactor and real children: ``python -m tests.children.scenes NAME`` prints it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet import reactor as real
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from mpcontinuity.children.pool import Children, Died
from tests.fakes.failures import tell

KIND = "tests.children.work"
reactor: Any = real


def say(*values: object) -> None:
    print(*values, flush=True)


async def asked(children: Children, question: bytes, *pieces: bytes) -> str:
    try:
        job = await children.begin(KIND, b"123")
        try:
            for piece in pieces:
                if not await job.feed(piece):
                    break
            return (await job.ask(question)).decode()
        finally:
            job.close()
    except Died as died:
        return f"died: {died}"


def pause(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)


async def one_after_the_other() -> None:
    children = Children(reactor)
    first, second = [await asked(children, b"", b"x" * 65_536, b"last", b"y") for _ in range(2)]
    say(first.split()[0], first == second, children.died)
    children.stop()


async def at_once() -> None:
    children = Children(reactor)
    all_ = [Deferred.fromCoroutine(asked(children, b"")) for _ in range(5)]
    answers = [await one for one in all_]
    say(len(set(answers)), len(children.pids))
    children.stop()
    await pause(0.3)
    say(len(children.pids), await asked(children, b""))


async def killed() -> None:
    children = Children(reactor)
    waiting = Deferred.fromCoroutine(asked(children, b"sleep"))
    await pause(1.0)
    (pid,) = children.pids
    os.kill(pid, signal.SIGKILL)
    say(await waiting)
    say((await asked(children, b"")).split()[0], children.died)
    children.stop()


async def overdue() -> None:
    children = Children(reactor, within=1.5)
    say(await asked(children, b"sleep"))
    say((await asked(children, b"")).split()[0], children.died)
    children.stop()


async def too_much_memory() -> None:
    children = Children(reactor)
    say((await asked(children, b"memory")).startswith("died"))
    say((await asked(children, b"")).split()[0])
    children.stop()


async def failing() -> None:
    children = Children(reactor)
    first = await asked(children, b"")
    say(await asked(children, b"fail"))
    say(await asked(children, b"") == first, children.died)
    children.stop()


def _say_what(failure: Failure) -> None:
    say(type(failure.value).__name__)


async def cancelled() -> None:
    children = Children(reactor)
    waiting = Deferred.fromCoroutine(asked(children, b"sleep"))
    waiting.addErrback(_say_what)
    await pause(1.0)
    waiting.cancel()
    say((await asked(children, b"")).split()[0])
    children.stop()


async def idle() -> None:
    children = Children(reactor, idle=0.2)
    await asked(children, b"")
    await pause(0.8)
    say(len(children.pids), children.died)
    children.stop()


async def poor() -> None:
    os.environ["MPC_SECRET"] = "x"
    opened = open("/dev/null")  # noqa: ASYNC230, SIM115
    children = Children(reactor)
    say("MPC_SECRET" in await asked(children, b"secrets"))
    say(await asked(children, b"files"))
    children.stop()
    opened.close()


def main() -> None:
    done = Deferred.fromCoroutine(globals()[sys.argv[1]]())
    done.addErrback(tell)
    done.addBoth(lambda _: reactor.callLater(0.1, reactor.stop))
    reactor.run()


main()
