"""A store with example.org, of which anna and bert are users, and what the server has written to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from functools import partial
from typing import Any

import msgspec

from mpcontinuity.accounts import domains, home_state, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts.announcing import Announcement, announce
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.settings import DomainSettings, Settings
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

_BODY = 'body.id, pack, body."offset", length, prefix, crc'


def nothing(tx: Transaction) -> None:
    """A mark of nothing."""


class PostRoom:
    """Every call has committed when it returns."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.settings = Settings(hostname="mx.example.net")
        self.domain = self.add_domain("example.org")
        self.anna, self.bert = (self.user(f"{name}@example.org") for name in ("anna", "bert"))

    def run(self, work: Any, **parameters: Any) -> Any:
        return result(self.store.run(partial(work, **parameters)))

    def add_domain(self, name: str) -> Domain:
        domain: Domain = self.run(domains.add, name=name, settings=DomainSettings(home=("127.0.0.1:25",)))
        return domain

    def user(self, address: str) -> int:
        domain = self.run(domains.known, name=address.partition("@")[2])
        return int(self.run(users.add_user, domain=domain.id, address=parse(address), status="active").id)

    def set(self, name: str = "example.org", **settings: Any) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, name)
            domains.change(tx, domain, msgspec.structs.replace(domain.settings, **settings))

        self.run(work)

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
        """Of all that waits to be sent."""
        return [(recipient, str(message["Subject"])) for recipient, message in self.queued()]

    def read(self, row: Sequence[Any]) -> Any:
        return message_from_bytes(result(self.store.bodies.read(Body(*row))), policy=policy.SMTP)
