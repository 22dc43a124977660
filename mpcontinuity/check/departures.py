"""Mail that users and home servers sent, taken in again from packs by a database that does not know it.

Nobody knows here whether it has left: a pack does not say so. Its rows are ended, for an administrator to decide:
`queue retry` sends it, perhaps once more, with the Message-ID that it had.
"""

from __future__ import annotations

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.users import User
from mpcontinuity.archive.record import OUTBOUND, NewArchived
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.mailbox import sent
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model import events
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.flags import SEEN
from mpcontinuity.queue import outbound, outgoing
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import decode_parameters
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import OUTBOUND as TRACKED_OUTBOUND
from mpcontinuity.tracking.record import NewRow, record_all

TEXT = "Not known whether it was sent: the index was built again from the packs; `queue retry` sends it"

_ARCHIVED = Statement("SELECT 1 FROM archive WHERE body = :body LIMIT 1")


def take_in(tx: Transaction, head: Head, body: Body, domain: Domain, user: User | None, blob: bytes) -> list[int]:
    """Takes in a message that was sent, as the head of its pack entry tells it: Sent, archive, tracking, and ended rows
    of the queue.

    ``user`` is whose Sent folder gets a copy, and ``blob`` what that folder stores of the message; it is empty where
    the copy is there still. Returns the ids of the rows that wait for an administrator.
    """
    if user is not None and blob:
        entry = NewEntry(body.id, body.length, head.time, SEEN, (), blob)
        append(tx, sent.folder(tx, user.id), [entry])
        if head.message_id:
            sent.note(tx, user.id, head.message_id, body.id, own=False)
    if domain.settings.retention_days > 0 and tx.one(_ARCHIVED, body=body.id) is None:
        archive(tx, [_archived(head, body, domain)])
    known = outbound.known(tx, head.owed)
    new = [
        _outgoing(head, body, domain, user, place)
        for place, outgoing_id in enumerate(head.owed)
        if outgoing_id not in known
    ]
    outgoing.take_in(tx, new)
    outbound.hold(tx, [one.id for one in new], TEXT)
    record_all(tx, [_row(head, body, one, tx.now) for one in new])
    return [one.id for one in new]


def _archived(head: Head, body: Body, domain: Domain) -> NewArchived:
    return NewArchived(
        domain=domain.id,
        body=body.id,
        time=head.time,
        direction=OUTBOUND,
        sender=head.reverse_path,
        recipients=head.recipients,
        subject=head.subject,
        message_id=head.message_id,
        size=body.length,
        retention_days=domain.settings.retention_days,
    )


def _outgoing(head: Head, body: Body, domain: Domain, user: User | None, place: int) -> NewOutgoing:
    address = parse(head.recipients[place])
    return NewOutgoing(
        id=head.owed[place],
        domain=domain.id,
        account=user.id if user is not None else None,
        body=body.id,
        recipient=address.text,
        destination=address.domain,
        reverse_path=head.reverse_path,
        received=head.time,
        expires=head.time,
        parameters=decode_parameters(head.parameters[place] if place < len(head.parameters) else ""),
        subject=head.subject,
        message_id=head.message_id,
        size=body.length - body.prefix,
    )


def _row(head: Head, body: Body, one: NewOutgoing, now: int) -> NewRow:
    return NewRow(
        domain=one.domain,
        received=head.time,
        direction=TRACKED_OUTBOUND,
        status=events.FAILED,
        sender=head.reverse_path,
        recipient=one.recipient,
        recipient_key=parse(one.recipient).key,
        message_id=head.message_id,
        subject=head.subject,
        size=body.length,
        text=TEXT,
        events=(TrackingEvent(now, "", 0, TEXT),),
        owed=one.id,
    )


def sender_of(head: Head) -> str:
    """Returns an address whose domain the message belongs to; it is empty where the head names none."""
    return head.mailbox or head.reverse_path
