"""Stores a message that leaves, to the world or by the same queue to our own domains, in one transaction.

That is all that its 250 promises: the rows of `outgoing`, the copy in Sent, what home is owed of that, archive and
tracking.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from mpcontinuity.archive.record import OUTBOUND, NewArchived, expiry
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.delivery import answered
from mpcontinuity.mailbox import drafts, sent
from mpcontinuity.mailbox.append import UID_BITS, NewEntry, append_all, lock
from mpcontinuity.mailbox.drafts import DraftVersion
from mpcontinuity.model import events
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.flags import SEEN
from mpcontinuity.model.owed import OWED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.queue import lineage, outgoing, owed
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import NewOwed, Parameters
from mpcontinuity.store.bodies.references import insert_bodies
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import OUTBOUND as TRACKED_OUTBOUND
from mpcontinuity.tracking.record import REDELIVERY, NewRow, record_all

ACCEPTED = "2.0.0 Message accepted"
KEPT = "2.0.0 Kept for the administrators"


class Leaving(msgspec.Struct):
    """A recipient of a message that leaves.

    ``destination`` is its domain as DNS knows it; empty: it is one of the server's own roles.
    """

    address: Address
    destination: str
    parameters: RcptParameters
    id: int = 0  # of its row of `outgoing`
    fingerprint: bytes = b""


class Copy(msgspec.Struct, frozen=True):
    """What the sender's Sent folder gets. ``owed`` is the id of what home is owed of it; 0: nothing."""

    rendered: bytes
    owed: int
    address: str  # the sender's own


class Departure(msgspec.Struct, frozen=True):
    """A message that leaves. ``account`` is the user who sends it; None: home's own mail, of which there is no copy.

    ``draft`` is their draft that ends with it, in the version that was composed; None: none.
    """

    id: int
    domain: int
    account: int | None
    received: int  # µs
    expires: int  # µs
    reverse_path: str
    parameters: MailParameters
    retention_days: int
    subject: str
    message_id: str
    recipients: tuple[Leaving, ...]
    copy: Copy | None
    draft: DraftVersion | None = None


def commit(tx: Transaction, messages: Sequence[tuple[Body, Departure]]) -> list[bool]:
    """Stores messages, and returns for each whether it was taken.

    One that was not taken had been answered to all its recipients before, and nothing is stored of it. Raises
    NotLeaving for a draft that was called back, or has left already.
    """
    ended = drafts.leave(tx, [(one.account, one.draft) for _, one in messages if one.draft and one.account])
    new = _not_answered(tx, messages)
    stored = [
        (body, departure, recipients) for (body, departure), recipients in zip(messages, new, strict=True) if recipients
    ]
    insert_bodies(tx, [(body, _keep_until(departure)) for body, departure, _ in stored])
    # At once with Sent, in ascending order: IMAP that moves a message from the one to the other locks them so.
    drafts_in = {entry >> UID_BITS for entries in ended.values() for entry in entries}
    _keep_copies(tx, [(body, departure) for body, departure, _ in stored], drafts_in)
    for account, entries in ended.items():
        drafts.forget(tx, account, entries)
    archive(tx, [one for body, departure, recipients in stored for one in _archived(body, departure, recipients)])
    record_all(tx, [_row(departure, body, one, tx.now) for body, departure, ones in stored for one in ones])
    outgoing.take_in(
        tx, [_outgoing(departure, body, one) for body, departure, ones in stored for one in ones if one.destination]
    )
    return [bool(recipients) for recipients in new]


def _not_answered(tx: Transaction, messages: Sequence[tuple[Body, Departure]]) -> list[list[Leaving]]:
    fresh = answered.note(tx, [one.fingerprint for _, departure in messages for one in departure.recipients])
    new = []
    for _, departure in messages:
        recipients = [one for one in departure.recipients if one.fingerprint in fresh]
        fresh.difference_update(one.fingerprint for one in recipients)
        new.append(recipients)
    return new


def _keep_until(departure: Departure) -> int:
    """0 while it is in a mailbox; what waits in `outgoing` is kept anyway (store/upkeep/retention.py)."""
    return 0 if departure.copy is not None else expiry(departure.received, departure.retention_days)


def _keep_copies(
    tx: Transaction, messages: Sequence[tuple[Body, Departure]], also_locked: Collection[int] = ()
) -> None:
    """Into Sent, unless the client has put its own copy there; and what home is owed of it."""
    entries: dict[int, list[NewEntry]] = {}
    rows: list[NewOwed] = []
    tracked: list[NewRow] = []
    own: list[tuple[int, int, int]] = []  # account, the client's copy, ours
    seen: set[tuple[int, str]] = set()
    folders = {one.account: sent.folder(tx, one.account) for _, one in messages if one.account and one.copy}
    if folders or also_locked:
        lock(
            tx, {*folders.values(), *also_locked}
        )  # a client that appends its own copy at this moment comes before us, or after
    for body, departure in messages:
        copy, account = departure.copy, departure.account
        if copy is None or account is None:
            continue
        known = sent.find(tx, account, departure.message_id)
        if (known is not None and not known[1]) or (account, departure.message_id) in seen:
            continue  # one message in several transactions: its copy is there
        seen.add((account, departure.message_id))
        if known is None:
            entry = NewEntry(body.id, body.length, departure.received, SEEN, (), copy.rendered)
            entries.setdefault(folders[account], []).append(entry)
            sent.note(tx, account, departure.message_id, body.id, own=False)
        else:
            own.append((account, known[0], body.id))
        if copy.owed:
            rows.append(_owed(departure, body, copy))
            tracked.append(_copy_row(departure, body, copy, tx.now))
    append_all(tx, entries)
    owed.take_in(tx, rows)
    for account, theirs, ours in own:
        lineage.descend(tx, account, theirs, ours)
    record_all(tx, tracked)


def _owed(departure: Departure, body: Body, copy: Copy) -> NewOwed:
    """RFC 3461 NEVER: a copy that home does not take is no news to anybody but the administrators."""
    return NewOwed(
        id=copy.owed,
        domain=departure.domain,
        account=departure.account,
        body=body.id,
        recipient=copy.address,
        reverse_path="",
        received=departure.received,
        size=body.length,
        subject=departure.subject,
        message_id=departure.message_id,
        parameters=Parameters(
            MailParameters(body=departure.parameters.body, smtputf8=departure.parameters.smtputf8),
            RcptParameters(notify="NEVER"),
        ),
        kind=owed.SENT,
    )


def _archived(body: Body, departure: Departure, recipients: Sequence[Leaving]) -> list[NewArchived]:
    if departure.retention_days <= 0:
        return []
    return [
        NewArchived(
            domain=departure.domain,
            body=body.id,
            time=departure.received,
            direction=OUTBOUND,
            sender=departure.reverse_path,
            recipients=[one.address.text for one in recipients],
            subject=departure.subject,
            message_id=departure.message_id,
            size=body.length,
            retention_days=departure.retention_days,
        )
    ]


def _outgoing(departure: Departure, body: Body, one: Leaving) -> NewOutgoing:
    return NewOutgoing(
        id=one.id,
        domain=departure.domain,
        account=departure.account,
        body=body.id,
        recipient=one.address.text,
        destination=one.destination,
        reverse_path=departure.reverse_path,
        received=departure.received,
        expires=departure.expires,
        parameters=Parameters(departure.parameters, one.parameters),
        subject=departure.subject,
        message_id=departure.message_id,
        size=body.length - body.prefix,
    )


def _row(departure: Departure, body: Body, one: Leaving, now: int) -> NewRow:
    text = ACCEPTED if one.destination else KEPT
    return NewRow(
        domain=departure.domain,
        received=departure.received,
        direction=TRACKED_OUTBOUND,
        status=events.QUEUED if one.destination else events.DELIVERED,
        sender=departure.reverse_path,
        recipient=one.address.text,
        recipient_key=one.address.key,
        message_id=departure.message_id,
        subject=departure.subject,
        size=body.length,
        code=250,
        text=text,
        events=(TrackingEvent(now, "", 250, text),),
        owed=one.id,
    )


def _copy_row(departure: Departure, body: Body, copy: Copy, now: int) -> NewRow:
    text = "2.0.0 Copy of a sent message"
    return NewRow(
        domain=departure.domain,
        received=departure.received,
        direction=REDELIVERY,
        status=events.QUEUED,
        recipient=copy.address,
        recipient_key=parse(copy.address).key,
        message_id=departure.message_id,
        subject=departure.subject,
        size=body.length,
        outcome=OWED,
        code=250,
        text=text,
        events=(TrackingEvent(now, "", 250, text),),
        owed=copy.owed,
    )
