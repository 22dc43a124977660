"""Home dies, and everybody comes: users log in by IMAP and POP3 at once, while mail comes in and a backlog goes home.

Each user has an Argon2id hash of their own, comes at a random moment of the window, over TLS, and reads INBOX and Sent
(by POP3: INBOX). New mail comes to them at a fixed rate, whatever is answered, and what is owed to another domain is
flushed to its home meanwhile. Before that, the same mail comes without anybody who logs in: that is the unloaded rate.

Generators and server share the machine. A login counts from the first packet to the OK.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.users import add_user
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.message.render import render
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import DEFERRED
from mpcontinuity.model.owed import OWED
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue.owed import NewOwed, take_in
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import record
from scripts.benches.messages import print_rows
from scripts.benches.server import Server, do, free_ports, open_inline, result

DOMAIN, OTHER = "bench.test", "other.test"
OTHERS = 50  # users to whom the backlog is owed
SENDERS = 50  # connections by which mail comes in
OPENED = 5  # messages that a client reads as a whole
DELAY = 30.0  # s: whatever is answered later counts as an error
LINE = b"Mail of an ordinary day, as it comes in an outage and is read at once.\r\n"


def message(subject: str, octets: int = 4096) -> bytes:
    head = f"From: Bob <bob@sender.example>\r\nTo: you@{DOMAIN}\r\nSubject: {subject}\r\n"
    head += f"Message-ID: <{subject.replace(' ', '.')}@sender.example>\r\nDate: Mon, 30 Nov 2026 02:00:00 +0000\r\n\r\n"
    return head.encode() + LINE * ((octets - len(head)) // len(LINE))


def user(number: int) -> str:
    return f"u{number:04}@{DOMAIN}"


def password(number: int) -> str:
    return f"secret of {number}"


def hash_of(number: int) -> str:
    return Passwords("argon2").hash(password(number))


# What is there before


class Filling:
    """Users with mail in INBOX and Sent, and a backlog of another domain, made without the server."""

    def __init__(self, folder: Path, homes: tuple[int, int], options: argparse.Namespace) -> None:
        self._store: Store = open_inline(folder)
        self._options = options
        named = zip((DOMAIN, OTHER), homes, strict=True)
        self._domain, self._other = (
            do(self._store, partial(domains.add, name=name, settings=DomainSettings(home=(f"127.0.0.1:{port}",))))
            for name, port in named
        )

    def fill(self) -> None:
        with ProcessPoolExecutor() as pool:
            hashes = list(pool.map(hash_of, range(self._options.users), chunksize=20))
        accounts = self._users([user(number) for number in range(self._options.users)], self._domain.id, hashes)
        others = [f"o{number:02}@{OTHER}" for number in range(OTHERS)]
        owing = self._users(others, self._other.id, [""] * OTHERS)
        for folder, count in (("INBOX", self._options.inbox), ("Sent", self._options.inbox // 2)):
            for number in range(count):
                self._keep(f"{folder} {number}", partial(self._file, folder=folder, accounts=accounts))
        for number in range(self._options.backlog // OTHERS):
            self._keep(f"owed {number}", partial(self._owe, accounts=owing, recipients=others))
        # Nothing of it goes home before the stampede.
        settings = DomainSettings(home=self._other.settings.home, mode="enabled")
        do(self._store, partial(domains.change, domain=self._other, settings=settings))
        result(self._store.close())

    def _users(self, addresses: Sequence[str], domain: int, hashes: Sequence[str]) -> list[int]:
        accounts = []
        for begin in range(0, len(addresses), 100):
            pairs = list(zip(addresses[begin : begin + 100], hashes[begin : begin + 100], strict=True))

            def add(tx: Transaction, pairs: Sequence[tuple[str, str]] = tuple(pairs)) -> list[int]:
                return [add_user(tx, domain=domain, address=parse(a), password_hash=h).id for a, h in pairs]

            accounts += do(self._store, add)
        return accounts

    def _keep(self, subject: str, work: partial[None]) -> None:
        draft = self._store.bodies.draft()
        content = message(subject)
        draft.write(content)
        head = Head(id=self._store.identifiers.next(), time=self._store.clock.now(), direction="inbound", prefix=0)
        result(self._store.keep(draft, head, partial(work, content=content)))

    def _file(self, tx: Transaction, body: Body, content: bytes, folder: str, accounts: Sequence[int]) -> None:
        rendered = render(content)
        for account in accounts:
            box = mailboxes.get(tx, account, folder).id
            append(tx, box, [NewEntry(body.id, body.length, tx.now, 0, (), rendered)])

    def _owe(
        self, tx: Transaction, body: Body, content: bytes, accounts: Sequence[int], recipients: Sequence[str]
    ) -> None:
        owed, rows = [], []
        for account, recipient in zip(accounts, recipients, strict=True):
            id_ = tx.identifier()
            append(tx, mailboxes.inbox(tx, account), [NewEntry(body.id, body.length, tx.now, 0, (), b"")])
            owed.append(NewOwed(id_, self._other.id, account, body.id, recipient, "bob@sender.example", tx.now))
            rows.append(
                record.NewRow(self._other.id, tx.now, "inbound", DEFERRED, recipient=recipient, outcome=OWED, owed=id_)
            )
        take_in(tx, owed)
        record.record_all(tx, rows)


# Homes


class Home:
    """A mail server that takes everything. ``taken`` counts."""

    def __init__(self) -> None:
        self.taken = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def die(self) -> None:
        """Closes the port, and cuts what is open."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(b"220 home ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-home\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 52428800\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    self.taken += 1
                    writer.write(b"250 2.0.0 taken\r\n")
                else:
                    writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


# Who comes


class Refused(Exception):
    """The server answered otherwise than hoped for."""


@dataclass
class Tally:
    """What was measured: seconds of each kind, and errors by what they were."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, seconds: float) -> None:
        self.seconds.setdefault(kind, []).append(seconds)

    def row(self, kind: str) -> list[str]:
        found = sorted(self.seconds.get(kind, []))
        if not found:
            return [kind, "0", "-", "-", "-"]
        places = (found[len(found) // 2], found[min(len(found) * 99 // 100, len(found) - 1)], found[-1])
        return [kind, str(len(found)), *(f"{1000 * each:.0f}" for each in places)]


class Client:
    """A connection with lines, over TLS once that is begun."""

    async def open(self, port: int) -> bytes:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        return await self._reader.readline()

    async def secure(self, context: ssl.SSLContext) -> None:
        await self._writer.start_tls(context)

    async def imap(self, command: str) -> bytes:
        """One command; what is answered before its OK."""
        self._writer.write(f"a {command}\r\n".encode())
        answer = b""
        while True:
            line = await self._reader.readline()
            if not line or line.startswith((b"a NO", b"a BAD", b"* BYE")):
                raise Refused(f"IMAP {command.split()[0]}: {line.decode(errors='replace').strip()[:60]}")
            if line.startswith(b"a OK"):
                return answer
            answer += line
            if line.endswith(b"}\r\n"):
                answer += await self._reader.readexactly(int(line[line.rindex(b"{") + 1 : -3]))

    async def pop3(self, command: str, *, many: bool = False) -> bytes:
        self._writer.write(f"{command}\r\n".encode())
        line = await self._reader.readline()
        if not line.startswith(b"+OK"):
            raise Refused(f"POP3 {command.split()[0]}: {line.decode(errors='replace').strip()[:60]}")
        return await self._reader.readuntil(b"\r\n.\r\n") if many else line

    async def smtp(self, line: bytes, code: bytes) -> None:
        self._writer.write(line)
        while True:
            answer = await self._reader.readline()
            if answer[3:4] != b"-":
                break
        if not answer.startswith(code):
            raise Refused(f"SMTP: {answer.decode(errors='replace').strip()[:60]}")

    def close(self) -> None:
        self._writer.transport.abort()


class Stampede:
    """Users who log in and read, and senders who bring mail."""

    def __init__(self, server: Server, options: argparse.Namespace) -> None:
        self._server = server
        self._options = options
        self._random = random.Random(1)
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._stay: list[Client] = []

    async def users(self, tally: Tally) -> None:
        """All of them, within the window; every other one by POP3. IMAP's clients stay, as they do."""
        visits = [self._visit(number, tally) for number in range(self._options.users)]
        await asyncio.gather(*visits)
        for client in self._stay:
            client.close()

    async def _visit(self, number: int, tally: Tally) -> None:
        await asyncio.sleep(self._random.uniform(0, self._options.window))
        kind = "POP3" if number % 2 else "IMAP"
        client = Client()
        try:
            async with asyncio.timeout(DELAY):
                await (self._pop3 if number % 2 else self._imap)(client, number, tally)
        except (Refused, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            tally.errors[str(error) or f"{kind}: {type(error).__name__}"] += 1
            with contextlib.suppress(AttributeError):
                client.close()

    async def _imap(self, client: Client, number: int, tally: Tally) -> None:
        began = time.perf_counter()
        await client.open(self._server.imap)
        await client.imap("STARTTLS")
        await client.secure(self._context)
        await client.imap(f'LOGIN {user(number)} "{password(number)}"')
        tally.add("IMAP login", time.perf_counter() - began)
        began = time.perf_counter()
        for folder in ("INBOX", "Sent"):
            await client.imap(f"SELECT {folder}")
            await client.imap("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")
            for place in range(1, OPENED + 1):
                await client.imap(f"FETCH {place} (BODY.PEEK[])")
        tally.add("IMAP reading", time.perf_counter() - began)
        self._stay.append(client)

    async def _pop3(self, client: Client, number: int, tally: Tally) -> None:
        began = time.perf_counter()
        await client.open(self._server.pop3)
        await client.pop3("STLS")
        await client.secure(self._context)
        await client.pop3(f"USER {user(number)}")
        await client.pop3(f"PASS {password(number)}")
        tally.add("POP3 login", time.perf_counter() - began)
        began = time.perf_counter()
        await client.pop3("UIDL", many=True)
        for place in range(1, OPENED + 1):
            await client.pop3(f"RETR {place}", many=True)
        await client.pop3("QUIT")
        tally.add("POP3 reading", time.perf_counter() - began)
        client.close()

    async def mail(self, seconds: float, tally: Tally, kind: str) -> float:
        """New mail at the rate that was asked for, for so long; returns how many were accepted in a second."""
        waiting: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
        senders = [asyncio.create_task(self._send(waiting, tally, kind)) for _ in range(SENDERS)]
        began = time.perf_counter()
        for number in range(int(seconds * self._options.rate)):
            due = began + number / self._options.rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            waiting.put_nowait((number, due))
        for _ in senders:
            waiting.put_nowait(None)
        await asyncio.gather(*senders)
        return len(tally.seconds.get(kind, [])) / (time.perf_counter() - began)

    async def _send(self, waiting: asyncio.Queue[tuple[int, float] | None], tally: Tally, kind: str) -> None:
        client: Client | None = None
        while (taken := await waiting.get()) is not None:
            number, due = taken
            recipient = user(self._random.randrange(self._options.users)).encode()
            try:
                async with asyncio.timeout(DELAY):
                    if client is None:
                        client = Client()
                        await client.open(self._server.smtp)
                        await client.smtp(b"EHLO sender.example\r\n", b"250")
                    await client.smtp(b"MAIL FROM:<bob@sender.example>\r\n", b"250")
                    await client.smtp(b"RCPT TO:<" + recipient + b">\r\n", b"250")
                    await client.smtp(b"DATA\r\n", b"354")
                    await client.smtp(message(f"new {kind} {number}") + b".\r\n", b"250")
                tally.add(kind, time.perf_counter() - due)
            except (Refused, OSError, TimeoutError) as error:
                tally.errors[str(error) or f"SMTP: {type(error).__name__}"] += 1
                if client is not None:
                    client.close()
                client = None
        if client is not None:
            client.close()


async def play(server: Server, homes: tuple[Home, Home], options: argparse.Namespace) -> int:
    """The whole of it; the number of errors."""
    own, other = homes
    await own.die()
    await asyncio.sleep(1)
    stampede, tally = Stampede(server, options), Tally()
    unloaded = await stampede.mail(options.unloaded, tally, "mail, unloaded")
    before, began = other.taken, time.perf_counter()
    await asyncio.to_thread(server.command, "domain", "set", OTHER, "mode=disabled")
    mail = asyncio.create_task(stampede.mail(options.window, tally, "mail, loaded"))
    await stampede.users(tally)
    loaded = await mail
    flushed = (other.taken - before) / (time.perf_counter() - began)
    kinds = ("IMAP login", "IMAP reading", "POP3 login", "POP3 reading", "mail, unloaded", "mail, loaded")
    print_rows([["ms", "count", "p50", "p99", "worst"], *(tally.row(kind) for kind in kinds)])
    print(f"mail accepted: {unloaded:.0f}/s unloaded, {loaded:.0f}/s loaded ({100 * loaded / unloaded:.0f} %)")
    print(f"backlog of {OTHER}: {other.taken - before} of {options.backlog} went home, {flushed:.0f}/s")
    status = json.loads(await asyncio.to_thread(server.command, "status", OTHER, "--json"))
    print(f"left there: {status[0]['redelivery_backlog']}")
    print(f"errors: {sum(tally.errors.values())} {dict(tally.errors.most_common(5)) or ''}")
    return sum(tally.errors.values())


async def run(folder: Path, options: argparse.Namespace) -> int:
    smtp, imap, pop3, *ports = free_ports(5)
    began = time.perf_counter()
    Filling(folder / "data", (ports[0], ports[1]), options).fill()
    took = time.perf_counter() - began
    print(f"{options.users} users, {options.backlog} owed: made in {took:.0f} s", file=sys.stderr)
    homes = Home(), Home()
    for home, port in zip(homes, ports, strict=True):
        await home.start(port)
    server = await asyncio.to_thread(Server, folder, smtp=smtp, imap=imap, pop3=pop3)
    try:
        return await play(server, homes, options)
    finally:
        await asyncio.to_thread(server.stop)
        for home in homes:
            await home.die()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench stampede", description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--window", type=float, default=120, help="seconds within which all log in")
    parser.add_argument("--rate", type=float, default=100, help="new messages a second")
    parser.add_argument("--unloaded", type=float, default=20, help="seconds of mail before the stampede")
    parser.add_argument("--backlog", type=int, default=20_000, help="messages owed to the other domain")
    parser.add_argument("--inbox", type=int, default=40, help="messages in each INBOX; half as many in Sent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stampede.") as temporary:
        return 1 if asyncio.run(run(Path(temporary), options)) else 0


if __name__ == "__main__":
    sys.exit(main())
