"""A delivery over a real store, two domains with home servers that do as they are told, and three users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.delivery.answered import PATIENCE
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.settings import DomainSettings, Limits
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.listing import Filters, TrackRow, newest
from tests.delivery.homes import FakeHome, FakeHomes
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

CONTENT = b"Subject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\nText\r\n"
CLIENT = Client("192.0.2.1", "client.example.net", "ESMTP", "s1")

RETRY_AFTER = 30 * SECOND


class Post:
    """Sends messages through `Incoming` and looks at what became of them."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.homes = FakeHomes()
        self.limits = Limits()
        self.domain("example.org")
        for address in ("ann@example.org", "bob@example.org"):
            self.user(address)
        self.start()

    def start(self) -> None:
        """As after a restart: nothing is remembered but what the store has."""
        self.delivery = Delivery(
            self.store,
            Directory(self.store),
            self.homes,  # type: ignore[arg-type]
            hostname="mx.example.org",
            limits=self.limits,
            timer=self.clock,
            retry_after=RETRY_AFTER,
        )

    @property
    def home(self) -> FakeHome:
        return self.homes.homes.setdefault("example.org", FakeHome())

    def domain(self, name: str, home: str = "home.example:25") -> None:
        result(self.store.run(lambda tx: domains.add(tx, name, DomainSettings(home=(home,)))))

    def set(self, name: str = "example.org", **settings: object) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, name)
            domains.change(tx, domain, msgspec.structs.replace(domain.settings, **settings))

        result(self.store.run(work))

    def user(self, address: str, *, status: str = "active", aliases: tuple[str, ...] = ()) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, address.partition("@")[2])
            users.add_user(
                tx,
                domain=domain.id,
                address=parse(address),
                aliases=[parse(alias) for alias in aliases],
                status=status,  # type: ignore[arg-type]
            )

        result(self.store.run(work))

    def begin(self, sender: str = "eve@example.net", parameters: MailParameters | None = None) -> Incoming:
        reverse_path = parse(sender) if sender else None
        return Incoming(self.delivery, CLIENT, reverse_path, parameters or MailParameters())

    def rcpt(self, incoming: Incoming, address: str) -> Reply:
        return result(incoming.recipient(parse(address), RcptParameters()))

    def data(self, incoming: Incoming, content: bytes = CONTENT) -> Deferred[Reply]:
        assert incoming.begin().code == 354
        incoming.write(content)
        return Deferred.fromCoroutine(incoming.end(None))

    def send(self, *recipients: str, content: bytes = CONTENT, sender: str = "eve@example.net") -> Reply:
        """The reply to the message, whose recipients are all taken; the client then goes on."""
        incoming = self.begin(sender)
        for recipient in recipients:
            assert self.rcpt(incoming, recipient).code == 250
        answer = self.data(incoming, content)
        if not answer.called:  # another process could have the session of a client that was answered just now
            self.clock.advance(PATIENCE)
        reply = result(answer)
        incoming.went_on()
        self.clock.advance(1)
        return reply

    # What is there afterwards

    def rows(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        return result(self.store.read(lambda tx: tx.all(Statement(sql), **parameters)))

    def count(self, table: str) -> int:
        return int(str(self.rows(f"SELECT count(*) FROM {table}")[0][0]))

    def inbox(self, address: str) -> list[tuple[object, ...]]:
        """(body, size) of each entry in a user's INBOX."""
        return self.rows(
            "SELECT entry.body, entry.size FROM entry JOIN mailbox ON entry.id / 4294967296 = mailbox.id"
            " JOIN address ON address.account = mailbox.account WHERE address.key = :key AND mailbox.name = 'INBOX'"
            " ORDER BY entry.id",
            key=address,
        )

    def owed(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT recipient, account IS NOT NULL, state FROM owed ORDER BY id")

    def track(self) -> list[TrackRow]:
        """Oldest first, refusals included."""
        result(self.delivery.refusals.stop())
        return result(newest(self.store, Filters()))[::-1]


@pytest.fixture
def post(store: Store, clock: ManualClock) -> Iterator[Post]:
    sender = Post(store, clock)
    yield sender
    if sender.store is store:  # a test that opened it again has closed that
        result(sender.delivery.stop())
