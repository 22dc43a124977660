"""A store with a domain and two users, messages of theirs and of strangers, and the service that reports on them."""

from __future__ import annotations

from email import message_from_bytes, policy
from functools import partial
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.mailboxes import inboxes
from mpcontinuity.model import events
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.outgoing import EXPIRED, FAILED, INBOUND, OUTBOUND
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.settings import DomainSettings, Retry
from mpcontinuity.queue import outgoing, owed, unreported
from mpcontinuity.queue.outgoing import NewOutgoing, Outgoing
from mpcontinuity.queue.owed import NewOwed, Parameters
from mpcontinuity.queue.unreported import START, Unreported
from mpcontinuity.reports.service import GATHER, Reports
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import record
from mpcontinuity.verdicts import record as verdicts
from mpcontinuity.verdicts.record import SenderVerdict
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

CONTENT = b"From: Anna <anna@example.org>\r\nSubject: The offer\r\nMessage-ID: <1@example.org>\r\n\r\nText\r\n"
DAY = 86400

PROVEN = SenderVerdict(
    "pass", "none", "pass", "mx.example.org;\r\n\tspf=pass smtp.mailfrom=far.example;\r\n\tdkim=none"
)


class Fates:
    """Messages and what becomes of them; every call has committed when it returns."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.domain = self.run(domains.add, name="example.org", settings=DomainSettings(home=("127.0.0.1:25",)))
        self.anna, self.bert = (self.user(name) for name in ("anna", "bert"))
        self.service = self.start()

    def start(self) -> Reports:
        self.service = Reports(
            self.store, Directory(self.store), hostname="mx.example.org", retry=Retry(), timer=self.clock
        )
        self.service.start()
        self.clock.advance(0)
        return self.service

    def run(self, work: Any, **parameters: Any) -> Any:
        return result(self.store.run(partial(work, **parameters)))

    def user(self, name: str) -> int:
        user = self.run(users.add_user, domain=self.domain.id, address=parse(f"{name}@example.org"), status="active")
        return int(user.id)

    def set(self, **settings: Any) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, "example.org")
            domains.change(tx, domain, msgspec.structs.replace(domain.settings, **settings))

        self.run(work)

    def wait(self, seconds: float = GATHER + 0.1) -> None:
        """Until the reports are made."""
        self.clock.advance(seconds)

    # What users send

    def sends(
        self,
        *recipients: str,
        sender: str = "anna@example.org",
        account: int | None = -1,
        notify: str = "",
        mail: MailParameters | None = None,
        orcpt: str = "",
        content: bytes = CONTENT,
    ) -> list[int]:
        """Rows of `outgoing` for a message of Anna's, if nothing else is said."""
        account = self.anna if account == -1 else account
        draft = self.store.bodies.draft()
        draft.write(content)
        now = self.clock.now()
        ids = [self.store.identifiers.next() for _ in recipients]

        def work(tx: Transaction, body: Body) -> None:
            rows = [
                NewOutgoing(
                    id=row_id,
                    domain=self.domain.id,
                    account=account,
                    body=body.id,
                    recipient=to,
                    destination=to.partition("@")[2],
                    reverse_path=sender,
                    received=now,
                    expires=now + 5 * DAY * 1_000_000,
                    parameters=Parameters(mail or MailParameters(), RcptParameters(notify, orcpt)),
                    message_id="<1@example.org>",
                )
                for row_id, to in zip(ids, recipients, strict=True)
            ]
            outgoing.take_in(tx, rows)
            record.record_all(
                tx,
                [
                    record.NewRow(
                        self.domain.id,
                        now,
                        OUTBOUND,
                        events.QUEUED,
                        sender=sender,
                        recipient=row.recipient,
                        owed=row.id,
                    )
                    for row in rows
                ],
            )

        result(self.store.keep(draft, Head(id=self.store.identifiers.next(), time=now, direction=OUTBOUND), work))
        return ids

    def claimed(self) -> dict[str, Outgoing]:
        """All that is due, by recipient."""

        def work(tx: Transaction) -> dict[str, Outgoing]:
            rows = [row for due in dict.fromkeys(outgoing.due(tx)) for row in outgoing.claim(tx, due, 100)]
            return {row.recipient: row for row in rows}

        return result(self.store.run(work))

    def fails(self, code: int = 550, text: str = "5.1.1 No such user", state: str = FAILED) -> None:
        """All that is due, in one transaction."""
        rows = self.claimed()
        event = TrackingEvent(self.clock.now(), "mx.far.example:25", code, text)

        def work(tx: Transaction) -> None:
            for row in rows.values():
                assert outgoing.end(tx, row, state, event, events.BOUNCED)

        self.run(work)

    def expires(self) -> None:
        self.fails(451, "4.3.0 Later", EXPIRED)

    def arrives(self, how: str) -> None:
        event = TrackingEvent(self.clock.now(), "mx.far.example:25", 250, "2.0.0 Taken")
        for row in self.claimed().values():
            assert self.run(outgoing.delivered, outgoing=row, event=event, status=events.DELIVERED, how=how)

    # What strangers send, and home refuses

    def receives(
        self,
        sender: str = "carl@far.example",
        *,
        notify: str = "",
        ret: str = "",
        account: int | None = -1,
        verdict: SenderVerdict | None = PROVEN,
        submitted: bool = False,
        content: bytes = CONTENT,
    ) -> int:
        """A row of `owed`, in Anna's INBOX, from the sender's own server, if nothing else is said."""
        account = self.anna if account == -1 else account
        draft = self.store.bodies.draft()
        draft.write(content)
        now, row_id = self.clock.now(), self.store.identifiers.next()

        def work(tx: Transaction, body: Body) -> None:
            if account is not None:
                entry = NewEntry(body.id, body.length, now, 0, (), b"")
                append(tx, inboxes(tx, {account})[account], [entry])
            new = NewOwed(
                id=row_id,
                domain=self.domain.id,
                account=account,
                body=body.id,
                recipient="anna@example.org",
                reverse_path=sender,
                received=now,
                parameters=Parameters(MailParameters(ret=ret, submitted=submitted), RcptParameters(notify)),
            )
            owed.take_in(tx, [new])
            if verdict is not None:
                verdicts.add(tx, body.id, verdict)

        result(self.store.keep(draft, Head(id=self.store.identifiers.next(), time=now, direction="inbound"), work))
        return row_id

    def looked_into(self, verdict: SenderVerdict) -> None:
        """All that is there."""
        for (body,) in self.rows("SELECT id FROM body"):
            self.run(verdicts.add, body=body, verdict=verdict)

    def home_refuses(self, row_id: int, state: str = FAILED) -> None:
        (row,) = self.run(owed.claim, ids=[row_id], give_up=10**15)
        event = TrackingEvent(self.clock.now(), "home.example:25", 550, "5.7.1 Not here")
        assert self.run(owed.finish, owed_id=row.id, token=row.token, outcome=state, event=event)

    def home_takes(self, row_id: int, *, relayed: bool) -> None:
        (row,) = self.run(owed.claim, ids=[row_id], give_up=10**15)
        event = TrackingEvent(self.clock.now(), "home.example:25", 250, "2.0.0 Taken")
        work = partial(owed.finish, owed_id=row.id, token=row.token, outcome=DELIVERED, event=event, relayed=relayed)
        assert self.run(work)

    def passes_on(self, notify: str, *, verdict: SenderVerdict | None = PROVEN, ret: str = "") -> None:
        """A stranger's message to home, which does not report."""
        draft = self.store.bodies.draft()
        draft.write(CONTENT)
        now, number = self.clock.now(), self.store.identifiers.next()

        def work(tx: Transaction, body: Body) -> None:
            new = NewOutgoing(
                id=number,
                domain=self.domain.id,
                account=None,
                body=body.id,
                recipient="anna@example.org",
                destination="example.org",
                reverse_path="carl@far.example",
                received=now,
                expires=now,
                parameters=Parameters(MailParameters(ret=ret), RcptParameters(notify)),
                kind=INBOUND,
            )
            if verdict is not None:
                verdicts.add(tx, body.id, verdict)
            unreported.passed_on(tx, [new], Reply(250, "2.0.0", "Taken"))

        result(self.store.keep(draft, Head(id=self.store.identifiers.next(), time=now, direction="inbound"), work))

    # What is there afterwards

    def rows(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        return result(self.store.read(lambda tx: tx.all(Statement(sql), **parameters)))

    def inbox(self, account: int | None = None) -> list[Any]:
        """The messages in a user's INBOX that are reports, parsed."""
        found = self.rows(
            'SELECT body.id, pack, body."offset", length, prefix, crc FROM entry JOIN body ON body.id = entry.body'
            " JOIN mailbox ON mailbox.id = entry.id / 4294967296 WHERE mailbox.account = :account ORDER BY entry.id",
            account=account or self.anna,
        )
        return [message for message in map(self.read, found) if message.get_content_type() == "multipart/report"]

    def on_their_way(self) -> list[tuple[str, str, str, Any]]:
        """Reports to strangers: recipient, destination, reverse path, message."""
        found = self.rows(
            'SELECT recipient, destination, reverse_path, body.id, pack, body."offset", length, prefix, crc'
            " FROM outgoing JOIN body ON body.id = outgoing.body WHERE kind = 'dsn' ORDER BY outgoing.id"
        )
        return [(row[0], row[1], row[2], self.read(row[3:])) for row in found]

    def read(self, row: tuple[Any, ...]) -> Any:
        return message_from_bytes(result(self.store.bodies.read(Body(*row))), policy=policy.SMTP)

    def untold(self) -> list[Unreported]:
        return [
            *result(self.store.read(partial(unreported.ended, after=START))),
            *result(self.store.read(partial(unreported.failed, after=START))),
        ]


def status(message: Any) -> tuple[Any, list[Any]]:
    """The fields of the whole report, and of each recipient."""
    (part,) = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    general, *recipients = part.get_payload()
    return general, recipients


@pytest.fixture
def fates(store: Store, clock: ManualClock) -> Fates:
    return Fates(store, clock)
