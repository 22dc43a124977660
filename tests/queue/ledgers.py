"""A store with a domain, its users and what home is owed: the ground of the tests of queue, redelivery and homes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from mpcontinuity.accounts import domains, home_state, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model import address
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import DEFERRED
from mpcontinuity.model.owed import OWED
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue import ledger
from mpcontinuity.queue.ledger import LedgerLine
from mpcontinuity.queue.owed import NewOwed, take_in
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import record
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

T = TypeVar("T")

_STATE = Statement(
    "SELECT state, attempts, next_attempt, token, lease_until, last_code, last_text, run FROM owed WHERE id = :id"
)
_TRACKED = Statement("SELECT outcome, events FROM tracking WHERE owed = :id")
_UPTIME = Statement("UPDATE domain SET uptime = uptime + :time")
_PAUSED = Statement("SELECT paused FROM domain")


class Row:
    """A row of `owed` as it is now."""

    def __init__(self, columns: tuple[Any, ...]) -> None:
        self.state: str = columns[0]
        self.attempts: int = columns[1]
        self.next_attempt: int = columns[2]
        self.token: int = columns[3]
        self.lease_until: int = columns[4]
        self.last_code: int = columns[5]
        self.last_text: str = columns[6]
        self.run: int = columns[7]


class Books:
    """Every call has committed when it returns."""

    def __init__(self, store: Store, clock: ManualClock, name: str = "example.org") -> None:
        self.name = name
        self.store = store
        self.clock = clock
        self.accounts: dict[str, int] = {}
        self.bodies: dict[int, int] = {}  # owed id -> body
        self.domain: Domain = self.run(domains.add, name=name, settings=DomainSettings(home=("127.0.0.1:25",)))
        for user in ("anna", "bert"):
            self.add_user(user)

    def run(self, work: Callable[..., T], **arguments: Any) -> T:
        return result(self.store.run(partial(work, **arguments)))

    def read(self, work: Callable[..., T], **arguments: Any) -> T:
        return result(self.store.read(partial(work, **arguments)))

    def home_becomes(self, state: State, reason: str = "", *, node: str = "") -> bool:
        """The home server comes into that state now; whether the store took it."""
        known, _ = self.read(home_state.load)[self.domain.id]
        now = Health(state, self.clock.now(), reason)
        return self.run(home_state.save, domain=self.domain.id, known=known, health=now, node=node)

    def add_user(self, name: str) -> None:
        user = self.run(users.add_user, domain=self.domain.id, address=address.parse(f"{name}@{self.name}"))
        self.accounts[name] = user.id

    def redirect(self, name: str, *, text: str = "Hello", **more: Any) -> int:
        """A message to that user (without a mailbox, if unknown), in INBOX, tracked and owed. Returns the owed id."""
        recipient = f"{name}@{self.name}"
        account = self.accounts.get(name)
        content = f"Return-Path: <a@b.example>\r\nSubject: x\r\n\r\n{text}\r\n".encode()
        draft = self.store.bodies.draft()
        draft.write(content)
        owed_id = self.store.identifiers.next()

        def work(tx: Transaction, body: Body) -> None:
            self.bodies[owed_id] = body.id
            if account is not None:
                inbox = mailboxes.inbox(tx, account)
                append(tx, inbox, [NewEntry(body.id, body.length, tx.now, 0, (), b"")])
            values = {"reverse_path": "a@b.example", "received": tx.now, **more}
            take_in(tx, [NewOwed(owed_id, self.domain.id, account, body.id, recipient, **values)])
            row = record.NewRow(self.domain.id, tx.now, "inbound", DEFERRED, outcome=OWED, owed=owed_id)
            record.record_all(tx, [row])

        head = Head(id=owed_id, time=self.clock.now(), direction="inbound", prefix=content.index(b"Subject"))
        result(self.store.keep(draft, head, work))
        return owed_id

    def row(self, owed_id: int) -> Row:
        columns = self.read(lambda tx: tx.one(_STATE, id=owed_id))
        assert columns is not None
        return Row(columns)

    def state(self, owed_id: int) -> str:
        return self.row(owed_id).state

    def states(self, *ids: int) -> list[str]:
        return [self.state(owed_id) for owed_id in ids]

    def tracked(self, owed_id: int) -> tuple[str, str]:
        """Outcome, and the events as they are stored."""
        row: tuple[str, str] | None = self.read(lambda tx: tx.one(_TRACKED, id=owed_id))
        assert row is not None
        return row

    def home_was_up(self, time: int) -> None:
        self.run(lambda tx: tx.run(_UPTIME, time=time))

    def paused(self) -> str:
        return str(self.read(lambda tx: tx.value(_PAUSED)))

    def report(self, since: int = 0) -> list[LedgerLine]:
        return self.read(ledger.report, domain=self.domain.id, since=since)
