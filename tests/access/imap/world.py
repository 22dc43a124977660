"""A store with users behind an IMAP door, and clients that speak in dialogues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, globalLogPublisher

from mpcontinuity.access.imap.connection import ImapConnection
from mpcontinuity.access.imap.factory import ImapFactory
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.view import Views
from mpcontinuity.message.render import render
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import DomainSettings, Limits
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.logins import KnownPassword
from tests.fakes.stores import result

MESSAGE_SIZE = 4_000_000
SIMPLE = b"From: a@x.example\r\nSubject: hi\r\n\r\nhello\r\n"


class World:
    def __init__(self, store: Store, clock: ManualClock, *, plaintext: Sequence[str] = ("127.0.0.0/8",)) -> None:
        self.store = store
        self.clock = clock
        directory = Directory(store)
        self.login = KnownPassword(directory)
        self.services = ImapServices(
            store=store,
            directory=directory,
            login=self.login,  # type: ignore[arg-type]
            views=Views(store),
            rations=Rations(Limits(), clock.seconds),
            quotas=Quotas(store, directory, Limits()),
            timer=clock,
            tls=object(),
            hostname="mx.example",
            limits=Limits(message_size=MESSAGE_SIZE),
            plaintext_login_networks=[ip_network(network) for network in plaintext],
        )
        self.factory = ImapFactory(self.services)
        self.domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings()))).id
        self.user = self.add_user("joe@example.org")

    def add_user(self, address: str) -> User:
        return result(
            self.store.run(lambda tx: users.add_user(tx, domain=self.domain, address=parse(address), password_hash="x"))
        )

    def connect(self, *, implicit_tls: bool = False, host: str = "127.0.0.1") -> Client:
        factory = ImapFactory(self.services, implicit_tls=True) if implicit_tls else self.factory
        return Client(factory.buildProtocol(None), host)

    def logged_in(self, mailbox: str = "") -> Client:
        client = self.connect()
        client.take()
        client.say("login LOGIN joe@example.org secret")
        if mailbox:
            client.say(f"select SELECT {mailbox}")
            client.say(f"again SELECT {mailbox}")  # what is there is recent no more
        client.take()
        return client

    def deliver(self, content: bytes = SIMPLE, mailbox: str = "INBOX", flags: int = 0) -> None:
        """As mail comes in: not through IMAP."""
        draft = self.store.bodies.draft("mail")
        draft.write(content)
        head = Head(id=self.store.identifiers.next(), time=self.clock.now(), direction="inbound")
        rendered = render(draft.content())

        def work(tx: Transaction, body: Body) -> None:
            info = mailboxes.get(tx, self.user.id, mailbox)
            append(tx, info.id, [NewEntry(body.id, body.length, tx.now, flags, (), rendered)])

        result(self.store.keep(draft, head, work))


class Wire(StringTransport):
    """Remembers TLS, and can be full as a real transport is."""

    tls = False
    full = False
    producer: Any = None

    def startTLS(self, contextFactory: object) -> None:  # noqa: N803
        self.tls = True

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        if not self.disconnecting:
            super().loseConnection()


class Client:
    def __init__(self, connection: Any, host: str = "127.0.0.1") -> None:
        self.connection: ImapConnection = connection
        self.wire = Wire(peerAddress=IPv4Address("TCP", host, 40000))
        connection.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def say(self, line: str) -> None:
        self.send(line.encode() + b"\r\n")

    def take(self) -> bytes:
        """What came since the last time."""
        data: bytes = self.wire.value()
        self.wire.clear()
        return data

    def ask(self, line: str) -> bytes:
        self.take()
        self.say(line)
        return self.take()

    @property
    def closed(self) -> bool:
        return self.wire.disconnecting or self.wire.disconnected

    def lose(self) -> None:
        from twisted.internet.error import ConnectionLost
        from twisted.python.failure import Failure

        self.connection.connectionLost(Failure(ConnectionLost()))


@contextmanager
def capture() -> Iterator[list[LogEvent]]:
    """What is logged meanwhile."""
    events: list[LogEvent] = []
    observer: Any = events.append  # an ILogObserver, in zope.interface's way
    globalLogPublisher.addObserver(observer)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observer)


def converse(client: Client, dialogue: str) -> None:
    """Plays `C:` lines and compares what comes with the `S:` lines; `…` there stands for anything within a line."""
    said: list[str] = []
    expected: list[str] = []
    for line in [*dialogue.strip().splitlines(), "C: "]:
        side, text = line.strip()[:2], line.strip()[3:]
        if side == "S:":
            expected.append(text)
            continue
        assert side == "C:", line
        if expected or said:
            _compare(client, said, expected)
            said, expected = [], []
        said.append(text)
        if line != "C: ":
            client.say(text)


def _compare(client: Client, said: list[str], expected: list[str]) -> None:
    got = client.take().decode().split("\r\n")
    assert got.pop() == ""
    patterns = [".*".join(map(re.escape, line.split("…"))) for line in expected]
    matched = len(got) == len(patterns) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, got, strict=True)
    )
    assert matched, "\n".join(["after C: " + "; ".join(said), "expected:", *expected, "got:", *got])
