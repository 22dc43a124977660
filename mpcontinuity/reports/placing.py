"""Puts a report where it belongs: into the INBOX of a user of ours, owed to home, or on its way to a stranger.

The functions run in the transaction that keeps the report, together with the rows that count as told from then on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.archive.record import INBOUND, NewArchived
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.mailboxes import inboxes
from mpcontinuity.model import events
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Reported
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.outgoing import DSN
from mpcontinuity.model.owed import OWED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.queue import outgoing, owed, unreported
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import NewOwed, Parameters
from mpcontinuity.queue.unreported import Unreported
from mpcontinuity.reports.proof import proven
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all

# Nobody is told what became of a report (RFC 3461 §6.2).
_NEVER = RcptParameters(notify="NEVER")


class NoInbox(Reported):
    """Raised when the user was removed meanwhile."""


class Sender(msgspec.Struct, frozen=True):
    """Whoever sent the message, to whom the report goes.

    ``account`` is None for somebody who is no user of ours. Then ``proven`` says whether the address is really theirs;
    it is None while that is still being checked.
    """

    address: Address
    account: int | None = None
    domain: int = 0  # of the account
    proven: bool | None = True  # None: it is being looked into


class NewReport(msgspec.Struct, frozen=True):
    """A report that is to be kept, with the rows that it tells of.

    ``silent`` rows are of the same message; nothing is said about them, and they count as told too.
    """

    id: int
    time: int  # µs
    to: Sender
    rows: Sequence[Unreported]
    silent: Sequence[Unreported]
    subject: str
    message_id: str
    retention_days: int
    expires: int  # µs, on its way to a stranger
    plain: bool  # all octets are ASCII
    rendered: bytes = b""


def sender_of(tx: Transaction, row: Unreported) -> Sender | None:
    """Returns the sender of the message that the row is about, or None where there is nobody to tell."""
    try:
        address = parse(row.reverse_path) if row.reverse_path else None
    except BadAddress:
        return None
    if row.found != unreported.OWED and row.account is not None:
        own = users.by_id(tx, row.account)
        return Sender(address or parse(own.address), own.id, own.domain) if own else None
    if address is None:
        return None
    if row.from_outside:
        return _stranger(tx, address, row)
    user = users.find(tx, address)
    return Sender(address, user.id, user.domain) if user is not None and user.registered else Sender(address)


def _stranger(tx: Transaction, address: Address, row: Unreported) -> Sender | None:
    """Whoever sends in the name of a domain of ours logs in, or is its home server. Who has not is not of that domain,
    whatever SPF says, and a report would go to somebody who did not send it."""
    if domains.find(tx, address.domain) is not None:
        return None
    return Sender(address, proven=proven(tx, row.body.id, row.received, address))


def into_inbox(tx: Transaction, body: Body, report: NewReport) -> None:
    """Puts the report into the user's INBOX and owes it to home, like mail that home did not take.

    That is done whether home is up or not. Raises Changed, and NoInbox.
    """
    account, address = report.to.account, report.to.address
    assert account is not None
    _mark(tx, report)
    inbox = inboxes(tx, {account}).get(account)
    if inbox is None:
        raise NoInbox
    append(tx, inbox, [NewEntry(body.id, body.length, report.time, 0, (), report.rendered)])
    new = NewOwed(
        id=report.id,
        domain=report.to.domain,
        account=account,
        body=body.id,
        recipient=address.text,
        reverse_path="",
        received=report.time,
        size=body.length,
        subject=report.subject,
        message_id=report.message_id,
        parameters=_parameters(report),
    )
    owed.take_in(tx, [new])
    if report.retention_days > 0:
        archive(tx, [_archived(report, body)])
    event = TrackingEvent(tx.now, "", 250, "2.0.0 Put into INBOX")
    record_all(tx, [_row(report, body, report.to.domain, events.DELIVERED, event, outcome=OWED)])


def on_its_way(tx: Transaction, body: Body, report: NewReport, domain: int) -> None:
    """Queues the report for a stranger, as mail of ``domain``, where the message failed. Raises Changed."""
    address = report.to.address
    _mark(tx, report)
    new = NewOutgoing(
        id=report.id,
        domain=domain,
        account=None,
        body=body.id,
        recipient=address.text,
        destination=address.domain,
        reverse_path="",
        received=report.time,
        expires=report.expires,
        kind=DSN,
        parameters=_parameters(report),
        subject=report.subject,
        message_id=report.message_id,
        size=body.length,
    )
    outgoing.take_in(tx, [new])
    record_all(tx, [_row(report, body, domain, events.QUEUED, TrackingEvent(tx.now, "", 0, "Queued"))])


def _mark(tx: Transaction, report: NewReport) -> None:
    unreported.reported(tx, [*report.rows, *report.silent])


def _parameters(report: NewReport) -> Parameters:
    mail = MailParameters(body="" if report.plain else "8BITMIME", smtputf8=not report.to.address.ascii)
    return Parameters(mail, _NEVER)


def _archived(report: NewReport, body: Body) -> NewArchived:
    return NewArchived(
        domain=report.to.domain,
        body=body.id,
        time=report.time,
        direction=INBOUND,
        sender="",
        recipients=[report.to.address.text],
        subject=report.subject,
        message_id=report.message_id,
        size=body.length,
        retention_days=report.retention_days,
    )


def _row(report: NewReport, body: Body, domain: int, status: str, event: TrackingEvent, *, outcome: str = "") -> NewRow:
    return NewRow(
        domain=domain,
        received=report.time,
        direction=DSN,
        status=status,
        sender="",
        recipient=report.to.address.text,
        recipient_key=report.to.address.key,
        message_id=report.message_id,
        subject=report.subject,
        size=body.length,
        outcome=outcome,
        code=event.code,
        text=event.text,
        events=(event,),
        owed=report.id,
    )
