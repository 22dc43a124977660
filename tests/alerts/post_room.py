"""A store with example.org, of which anna and bert are users, and what the server has written to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, home_state
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import subscribers
from mpcontinuity.alerts.announcing import Announcement, announce
from mpcontinuity.alerts.service import Watcher
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.settings import DomainSettings, Settings
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.queue.ledgers import Books

_BODY = 'body.id, pack, body."offset", length, prefix, crc'


def nothing(tx: Transaction) -> None:
    """A mark of nothing."""


class PostRoom:
    """Every call has committed when it returns."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.settings = Settings(hostname="mx.example.net")
        self.books = Books(store, clock)
        self.domain = self.books.domain
        self.anna, self.bert = (self.books.accounts[name] for name in ("anna", "bert"))
        self.watcher = Watcher(store, self.settings, SeededRandomness())

    def run(self, work: Any, **parameters: Any) -> Any:
        return result(self.store.run(partial(work, **parameters)))

    def look(self, seconds: float = 0.0) -> None:
        """After so many seconds."""
        self.clock.advance(seconds)
        result(Deferred.fromCoroutine(self.watcher.look()))

    def restart(self) -> None:
        """Another process watches from now on."""
        self.watcher = Watcher(self.store, self.settings, SeededRandomness(2))

    def subscribe(self, *addresses: str, domain: Domain | None = None) -> None:
        for each in addresses:
            self.run(subscribers.add, domain=(domain or self.domain).id, address=parse(each))

    def fails(
        self, count: int = 1, *, status: str = "deferred", text: str = "Redirect because: x", **more: Any
    ) -> None:
        """Rows of tracking, each of a message of its own."""
        rows = [
            NewRow(
                **{
                    "domain": self.domain.id,
                    "received": self.clock.now(),
                    "direction": "inbound",
                    "status": status,
                    "sender": f"s{number}@far.example",
                    "recipient": "anna@example.org",
                    "recipient_key": "anna@example.org",
                    "code": 444 if status == "deferred" else 451,
                    "text": text,
                    **more,
                }
            )
            for number in range(count)
        ]
        self.run(record_all, rows=rows)

    def add_domain(self, name: str) -> Domain:
        domain: Domain = self.run(domains.add, name=name, settings=DomainSettings(home=("127.0.0.1:25",)))
        return domain

    def set(self, name: str = "example.org", **settings: Any) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, name)
            domains.change(tx, domain, msgspec.structs.replace(domain.settings, **settings))

        self.run(work)

    def forget_mail(self) -> None:
        """That all that waited has been sent."""
        self.run(lambda tx: tx.run(Statement("DELETE FROM outgoing")))

    def home_becomes(self, state: State, reason: str = "", domain: Domain | None = None) -> None:
        number = (domain or self.domain).id

        def work(tx: Transaction) -> None:
            known, _ = home_state.load(tx, number)[number]
            assert home_state.save(tx, number, known, replace(known, state=state, since=tx.now, reason=reason), "")

        self.run(work)

    def announce(self, *to: str, mark: Any = nothing, **more: Any) -> None:
        """About example.org."""
        about = {"domain": self.domain.id, "subject": "Home is away", "text": "It does not answer.\n", **more}
        told = [Announcement(to=parse(each), **about) for each in to]
        result(announce(self.store, self.settings, told, mark))

    # What is there afterwards

    def rows(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        return result(self.store.read(lambda tx: tx.all(Statement(sql), **parameters)))

    def inbox(self, account: int) -> list[Any]:
        found = self.rows(
            f"SELECT {_BODY} FROM entry JOIN body ON body.id = entry.body"
            " JOIN mailbox ON mailbox.id = entry.id / 4294967296 WHERE mailbox.account = :account ORDER BY entry.id",
            account=account,
        )
        return [self.read(row) for row in found]

    def queued(self) -> list[tuple[str, Any]]:
        """Recipient and message, of all that waits to be sent, in their order."""
        found = self.rows(
            f"SELECT recipient, {_BODY} FROM outgoing JOIN body ON body.id = outgoing.body ORDER BY outgoing.id"
        )
        return [(row[0], self.read(row[1:])) for row in found]

    def subjects(self) -> list[tuple[str, str]]:
        """Of all that waits to be sent, which is sent then."""
        found = [(recipient, str(message["Subject"])) for recipient, message in self.queued()]
        self.forget_mail()
        return found

    def read(self, row: Sequence[Any]) -> Any:
        return message_from_bytes(result(self.store.bodies.read(Body(*row))), policy=policy.SMTP)
