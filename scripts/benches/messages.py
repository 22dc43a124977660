"""Messages made durable by the store, without a network.

`store` keeps a message and puts it into INBOX; `redirect` does all that is behind a redirected one: pack, INBOX, owed
row, archive, tracking, fingerprint, and its deletion when the client goes on. Beside it in the same run, by turns: a
sync and a commit per message, a maildir (file, sync, rename, sync of the folder) and the store on PostgreSQL (with
fsync; its processor time is not counted). Each cell is the best of all turns.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList

from mpcontinuity.accounts.users import User, add_user
from mpcontinuity.delivery import answered, redirect
from mpcontinuity.delivery.answered import Answered
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.message.render import render_scanned
from mpcontinuity.message.structure import scan
from mpcontinuity.message.summary import summary
from mpcontinuity.model import settings
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import insert_bodies
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Handle, T, Threads, Worker
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction
from scripts.benches import slowdisk

reactor: Any = _reactor
MAILBOXES = 50
KINDS = ("ours", "alone", "maildir", "postgresql")
# Messages in the database, for comparison where somebody asks for it.
IN_DATABASE = ("in-database", "postgresql-in-database")
NAMES = {
    "ours": "group commit",
    "alone": "a commit per message",
    "maildir": "maildir",
    "postgresql": "on PostgreSQL",
    "in-database": "messages in SQLite",
    "postgresql-in-database": "messages in PostgreSQL",
}
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


def put(tx: Transaction, items: list[tuple[Body, redirect.Redirect]]) -> list[bool]:
    """The work of `store`: the body's row and an entry of INBOX."""
    insert_bodies(tx, [(body, 0) for body, _ in items])
    copies = [redirect.copies_of(body, one.message, one.message.taken, one.rendered) for body, one in items]
    redirect.put_in_inboxes(tx, list(itertools.chain.from_iterable(copies)))
    return [True] * len(items)


class Bench:
    def __init__(self, store: Store, users: list[User], messages: list[bytes], *, full: bool, read: bool) -> None:
        """``read``: each message is rendered, summarised and hashed, as delivery/incoming.py does."""
        self.store = store
        self.users = users
        self.messages = messages
        self.full = full
        self.read = read
        self.answered = Answered(store, reactor)
        self.scanned = scan(messages[0])
        self.rendered = render_scanned(messages[0], self.scanned)
        self.done = 0
        self.latencies: list[float] = []
        self.until = 0.0

    async def session(self, number: int) -> None:
        receipt: set[bytes] = set()
        while time.perf_counter() < self.until:
            number += 1009
            begun = time.perf_counter()
            self.answered.went_on(receipt)
            user = self.users[number % len(self.users)]
            receipt = await self.one(self.messages[number % len(self.messages)], user)
            self.latencies.append(time.perf_counter() - begun)
            self.done += 1
        self.answered.went_on(receipt)

    async def one(self, data: bytes, user: User) -> set[bytes]:
        store = self.store
        draft = store.bodies.draft()
        draft.write(data)
        scanned, rendered = self.scanned, self.rendered
        digest = store.identifiers.next().to_bytes(16, "big")
        if self.read:
            hashlib.blake2b(data, digest_size=16).digest()
            scanned = scan(data)
            rendered = render_scanned(data, scanned)
        shown = summary(scanned.fields)
        address = parse(user.address)
        taken = Taken(
            address,
            Decision.REDIRECT,
            domain=user.domain,
            user=user,
            because="the home server is away: connection refused",
            owed=store.identifiers.next(),
            fingerprint=answered.fingerprint("bench@example.org", address.key, digest),
        )
        now = store.clock.now()
        message = Message(
            store.identifiers.next(),
            now,
            "bench@example.org",
            MailParameters(),
            90,
            shown.subject,
            shown.message_id,
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
            subject=shown.subject,
            message_id=shown.message_id,
        )
        if not self.full:
            await store.keep_grouped(draft, head, put, redirect.Redirect(message, rendered))
            return set()
        ours = await self.answered.claim([taken.fingerprint])
        assert ours is not None
        await store.keep_grouped(draft, head, redirect.commit, redirect.Redirect(message, rendered))
        self.answered.answered(ours)
        return ours

    async def run(self, sessions: int, seconds: float) -> dict[str, float]:
        self.until = time.perf_counter() + seconds
        self.done = 0
        self.latencies = []
        begun, used = time.perf_counter(), time.process_time()
        await DeferredList(
            [Deferred.fromCoroutine(self.session(number)) for number in range(sessions)], fireOnOneErrback=True
        )
        return figures(self.done, time.perf_counter() - begun, self.latencies, time.process_time() - used)


def figures(done: int, seconds: float, latencies: list[float], used: float) -> dict[str, float]:
    """Messages per second, the latency's median and 99th percentile in ms, µs of processor per message."""
    cuts = statistics.quantiles(latencies, n=100)
    return {"rate": done / seconds, "p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3, "used": used / done * 1e6}


async def measure_store(folder: Path, kind: str, options: argparse.Namespace) -> None:
    store = open_store(
        folder,
        settings.Store(
            database=options.url if kind.startswith("postgresql") else "sqlite",
            messages="database" if kind in IN_DATABASE else "files",
        ),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=OneByOne() if kind == "alone" else Threads(),
        disk=RealDisk(),
        reactor_call=reactor.callFromThread,
    )
    await store.run(lambda tx: tx.run(_DOMAIN))
    users = [
        await store.run(partial(add_user, domain=1, address=parse(f"u{number}@bench.test"), password_hash="x"))
        for number in range(MAILBOXES)
    ]
    for size in options.sizes:
        messages = [content(size, number) for number in range(200)]
        bench = Bench(store, users, messages, full=options.work == "redirect", read=options.read)
        await bench.run(10, 0.3)
        for sessions in options.sessions:
            say(kind, options.delay, size, sessions, await bench.run(sessions, options.seconds))
        await bench.answered.stop()
    await store.close()


def measure_maildir(folder: Path, options: argparse.Namespace) -> None:
    for name in ("tmp", "new"):
        (folder / name).mkdir()
    descriptor = os.open(folder / "new", os.O_RDONLY)
    names = itertools.count()
    for size in options.sizes:
        messages = [content(size, number) for number in range(200)]
        for sessions in options.sessions:
            latencies: list[float] = []
            until = time.perf_counter() + options.seconds

            def deliver(until: float, messages: list[bytes], latencies: list[float]) -> None:
                while (begun := time.perf_counter()) < until:
                    number = next(names)
                    path = folder / "tmp" / str(number)
                    with path.open("wb") as file:
                        file.write(messages[number % len(messages)])
                        file.flush()
                        os.fsync(file.fileno())
                    path.rename(folder / "new" / str(number))
                    os.fsync(descriptor)
                    latencies.append(time.perf_counter() - begun)

            begun, used = time.perf_counter(), time.process_time()
            threads = [threading.Thread(target=deliver, args=(until, messages, latencies)) for _ in range(sessions)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found = figures(len(latencies), time.perf_counter() - begun, latencies, time.process_time() - used)
            say("maildir", options.delay, size, sessions, found)


def say(kind: str, delay: float, size: int, sessions: int, found: dict[str, float]) -> None:
    print(json.dumps([kind, delay, size, sessions, found]), flush=True)


def measure(options: argparse.Namespace) -> int:
    """In a process of its own, so that none pays for the threads and memory of another."""
    sys.setswitchinterval(0.0005)  # as the server does
    failed: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as folder:
        if options.measure == "maildir":
            measure_maildir(Path(folder), options)
            return 0
        finished = Deferred.fromCoroutine(measure_store(Path(folder), options.measure, options))
        finished.addErrback(failed.append)
        finished.addBoth(lambda _: reactor.callWhenRunning(reactor.stop))
        reactor.run()
    for failure in failed:
        failure.printTraceback(sys.stderr)
    return len(failed)


Cell = tuple[str, float, int, int]


def compare(options: argparse.Namespace) -> int:
    best: dict[Cell, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as folder:
        for _, delay, kind in itertools.product(range(options.turns), options.delays, options.kinds):
            command = [sys.executable, "-m", "scripts.benches.messages", options.work, "--measure", kind]
            command += ["--delay", str(delay), "--seconds", str(options.seconds), "--folder", folder]
            command += ["--sizes", *map(str, options.sizes), "--sessions", *map(str, options.sessions)]
            command += ["--read"] if options.read else []
            environment = slowdisk.environment(Path(folder), delay)
            if kind.startswith("postgresql"):
                command += ["--url", _fresh_database(delay, environment)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                return done.returncode
            for line in done.stdout.splitlines():
                *cell, found = json.loads(line)
                key: Cell = (cell[0], cell[1], cell[2], cell[3])
                if key not in best or best[key]["rate"] < found["rate"]:
                    best[key] = found
    table(options, best)
    return 0


_clusters: dict[float, Any] = {}


def _fresh_database(delay: float, environment: dict[str, str]) -> str:
    """Of a PostgreSQL with fsync, that inherits the slow disk."""
    from tests.fakes.postgresql import Cluster

    if delay not in _clusters:
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            _clusters[delay] = Cluster(durable=True)
        finally:
            os.environ.clear()
            os.environ.update(before)
    url: str = _clusters[delay].fresh_database()
    return url


def table(options: argparse.Namespace, best: dict[Cell, dict[str, float]]) -> None:
    """Ratios are ours by theirs."""
    others = [kind for kind in options.kinds if kind != "ours"]
    head = ["flush +ms", "octets", "sessions", "ours /s", "p50 ms", "p99 ms", "CPU µs"]
    for kind in others:
        head += [f"{NAMES[kind]} /s", "ratio"]
    rows = [head]
    for delay, size, sessions in itertools.product(options.delays, options.sizes, options.sessions):
        ours = best[("ours", delay, size, sessions)]
        row = [f"{delay:g}", str(size), str(sessions), *(f"{ours[name]:.0f}" for name in ("rate",))]
        row += [f"{ours['p50']:.2f}", f"{ours['p99']:.2f}", f"{ours['used']:.0f}"]
        for kind in others:
            rate = best[(kind, delay, size, sessions)]["rate"]
            row += [f"{rate:.0f}", f"{ours['rate'] / rate:.1f}"]
        rows.append(row)
    print_rows(rows)


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """As Markdown."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench store|redirect", description=__doc__)
    parser.add_argument("work", choices=("store", "redirect"))
    parser.add_argument("--seconds", type=float, default=2.0, help="of each figure")
    parser.add_argument("--turns", type=int, default=2, help="the best of so many counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096, 65536], help="octets of a message")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--delays", type=float, nargs="+", default=[0, 5], help="milliseconds added to each flush")
    parser.add_argument("--kinds", nargs="+", choices=(*KINDS, *IN_DATABASE), default=list(KINDS))
    parser.add_argument("--read", action="store_true", help="each message is hashed, summarised and rendered too")
    parser.add_argument("--folder", help="where stores are made and dropped: the disk that counts")
    parser.add_argument("--measure", choices=(*KINDS, *IN_DATABASE), help=argparse.SUPPRESS)
    parser.add_argument("--delay", type=float, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    return measure(options) if options.measure else compare(options)


if __name__ == "__main__":
    sys.exit(main())
