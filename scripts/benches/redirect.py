"""The full redirect transaction: pack, INBOX entry, owed row, archive row, tracking row and fingerprint."""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList

from mpcontinuity.accounts.directory import User
from mpcontinuity.accounts.users import add_user
from mpcontinuity.delivery import answered, redirect
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.message.render import render
from mpcontinuity.message.summary import summarise
from mpcontinuity.model import settings
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.routing.decision import Way
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Handle, T, Threads, Worker
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store, open_store

reactor: Any = _reactor
MAILBOXES = 50
_DOMAIN = Statement("INSERT INTO domain (id, name) VALUES (1, 'bench.test')")


class OneByOne(Threads):
    """Threads that take one piece of work at a time: a sync and a commit per message."""

    def worker(self, name: str, handle: Handle[T], *, threads: int = 1, most: int = 256) -> Worker[T]:
        return super().worker(name, handle, threads=threads, most=1)


def content(size: int, number: int) -> bytes:
    """A message like those of users, of about that size, none like another."""
    header = (
        f"Received: from mx{number % 7}.example.org (mx.example.org [192.0.2.7]) by relay.example.org with ESMTPS\r\n"
        f"From: Anna Example <anna{number % 100}@example.org>\r\nTo: u{number % MAILBOXES}@bench.test\r\n"
        f"Subject: Report {number} for the meeting\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n"
        f"Message-ID: <{number}.bench@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    words = random.Random(number).choices(
        ["meeting", "figures", "please", "find", "the", "attached", "for", "you"], k=10
    )
    line = (" ".join(words) + "\r\n").encode()
    return (header + line * (size // len(line) + 1))[:size]


class Bench:
    def __init__(self, store: Store, users: list[User], messages: list[bytes], *, with_content: bool) -> None:
        self.store = store
        self.users = users
        self.messages = messages
        self.with_content = with_content  # renders, summarises and hashes each, as delivery/incoming.py does
        self.rendered = render(messages[0])
        self.done = 0
        self.latencies: list[float] = []
        self.until = 0.0

    async def session(self, number: int) -> None:
        while time.perf_counter() < self.until:
            number += 1009
            begun = time.perf_counter()
            await self.one(self.messages[number % len(self.messages)], self.users[number % len(self.users)])
            self.latencies.append(time.perf_counter() - begun)
            self.done += 1

    async def one(self, data: bytes, user: User) -> None:
        store = self.store
        draft = store.bodies.draft()
        draft.write(data)
        message_id, subject, rendered = "<id@example.org>", "Report for the meeting", self.rendered
        digest = store.identifiers.next().to_bytes(16, "big")
        if self.with_content:
            hashlib.blake2b(data, digest_size=16).digest()
            summary = summarise(draft.content())
            message_id, subject, rendered = summary.message_id, summary.subject, render(draft.content())
        address = parse(user.address)
        taken = Taken(
            address,
            Way.REDIRECT,
            user=user,
            because="the home server is away: connection refused",
            owed=store.identifiers.next(),
            fingerprint=answered.fingerprint("bench@example.org", address.key, digest),
        )
        now = store.clock.now()
        message = Message(
            store.identifiers.next(),
            1,
            now,
            "bench@example.org",
            MailParameters(),
            90,
            subject,
            message_id,
            len(data),
            (taken,),
        )
        head = Head(
            id=message.id,
            time=now,
            direction="inbound",
            reverse_path=message.reverse_path,
            recipients=(user.address,),
            decisions={user.address: "redirect"},
            fingerprint=digest,
            subject=subject,
            message_id=message_id,
        )
        work = redirect.Redirect(message, rendered)
        await store.keep_together(draft, head, redirect.commit, work)

    async def run(self, sessions: int, seconds: float) -> tuple[float, float, float, float]:
        """Messages per second, the latency's median and 99th percentile in ms, and µs of processor per message."""
        self.until = time.perf_counter() + seconds
        self.done = 0
        self.latencies = []
        begun, used = time.perf_counter(), time.process_time()
        await DeferredList(
            [Deferred.fromCoroutine(self.session(number)) for number in range(sessions)], fireOnOneErrback=True
        )
        rate = self.done / (time.perf_counter() - begun)
        cuts = statistics.quantiles(self.latencies, n=100)
        used = (time.process_time() - used) / self.done * 1_000_000
        return rate, cuts[49] * 1000, cuts[98] * 1000, used


async def measure(folder: Path, arguments: argparse.Namespace, *, alone: bool, with_content: bool) -> None:
    store = open_store(
        folder,
        settings.Store(),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=OneByOne() if alone else Threads(),
        disk=RealDisk(),
        reactor_call=reactor.callFromThread,
    )
    await store.run(lambda tx: tx.run(_DOMAIN))
    users = [
        await store.run(partial(add_user, domain=1, address=parse(f"u{number}@bench.test"), password_hash="x"))
        for number in range(MAILBOXES)
    ]
    messages = [content(arguments.size, number) for number in range(500)]
    bench = Bench(store, users, messages, with_content=with_content)
    await bench.run(10, 0.5)
    kind = "a commit per message" if alone else "with its content read" if with_content else "group commit"
    for sessions in (1, 10, 50):
        rate, median, slow, used = await bench.run(sessions, arguments.seconds)
        latency = f"p50 {median:6.2f} ms   p99 {slow:6.2f} ms"
        print(f"{kind:24} {sessions:3} sessions {rate:8.0f} messages/s   {latency}   {used:5.0f} µs CPU per message")
    await store.close()


async def main(arguments: argparse.Namespace) -> None:
    for alone, with_content in ((True, False), (False, False), (False, True)):
        with tempfile.TemporaryDirectory(prefix="bench.", dir=arguments.folder) as folder:
            await measure(Path(folder), arguments, alone=alone, with_content=with_content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench redirect", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each figure")
    parser.add_argument("--size", type=int, default=4096, help="octets of a message")
    parser.add_argument("--folder", help="where the store is made and dropped: the disk that counts")
    chosen = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the server does
    finished = Deferred.fromCoroutine(main(chosen))
    failed: list[Any] = []
    finished.addErrback(failed.append)
    finished.addBoth(lambda _: reactor.callWhenRunning(reactor.stop))
    reactor.run()
    if failed:
        failed[0].printTraceback()
        sys.exit(1)
