"""Mail that home does not take now: into INBOX at once, and owed. Work of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.archive.record import INBOUND, NewArchived, expiry
from mpcontinuity.archive.record import record as archive
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.mailboxes import inbox
from mpcontinuity.model import events
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import IN_DOUBT, OWED
from mpcontinuity.queue.owed import NewOwed, Parameters, take_in
from mpcontinuity.routing.decision import Way
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all


class AllAnswered(Exception):
    """Every copy of the message has been taken before; the transaction is rolled back."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """``rendered``: what INBOX needs (message/render.py); empty where no copy goes to an INBOX."""

    message: Message
    rendered: bytes
    attempt: tuple[TrackingEvent, ...] = ()  # what home answered to the message
    because: str = ""  # of the message's failure; each recipient has its own reason otherwise
    in_doubt: bool = False
    token: int = 0  # in doubt, and we wait for home's late reply
    retry_after: int = 0  # µs, where home was tried


def keep_until(message: Message) -> int:
    """Of the row of `body`: 0 while it is owed."""
    if any(taken.way in (Way.REDIRECT, Way.HOLD) for taken in message.taken):
        return 0
    return expiry(message.received, message.retention_days)


def commit(tx: Transaction, body: Body, redirect: Redirect) -> None:
    """All that 250 promises: INBOX, owed, archive, tracking, answered; for those that were not answered before.

    Raises AllAnswered when there are none such. The row of `body` has been inserted in the same transaction.
    """
    message = redirect.message
    fresh = answered.note(tx, (taken.fingerprint for taken in message.taken))
    if not fresh:
        raise AllAnswered
    taken = [one for one in message.taken if one.fingerprint in fresh]
    put_in_inbox(tx, body, message, [one for one in taken if one.way is Way.REDIRECT], redirect.rendered)
    owed = [one for one in taken if one.way in (Way.REDIRECT, Way.HOLD)]
    if owed:
        take_in(tx, [_owed(tx, redirect, body, one) for one in owed])
    record_in_archive(tx, body, message, [one.address.text for one in taken])
    record_all(tx, [_row(tx, redirect, one) for one in taken])


def put_in_inbox(tx: Transaction, body: Body, message: Message, taken: list[Taken], rendered: bytes) -> None:
    """Once per user, however many of their addresses were named."""
    accounts = {one.account for one in taken if one.account is not None}
    # In ascending order of mailbox, as everywhere: two such messages at a time cannot wait for each other.
    for mailbox in sorted(inbox(tx, account) for account in accounts):
        append(tx, mailbox, (NewEntry(body.id, body.length, message.received, 0, (), rendered),))


def record_in_archive(tx: Transaction, body: Body, message: Message, recipients: list[str]) -> None:
    if message.retention_days <= 0:
        return
    archive(
        tx,
        NewArchived(
            domain=message.domain,
            body=body.id,
            time=message.received,
            direction=INBOUND,
            sender=message.reverse_path,
            recipients=recipients,
            subject=message.subject,
            message_id=message.message_id,
            size=message.size,
            retention_days=message.retention_days,
        ),
    )


def _owed(tx: Transaction, redirect: Redirect, body: Body, taken: Taken) -> NewOwed:
    message = redirect.message
    return NewOwed(
        id=taken.owed,
        domain=message.domain,
        account=taken.account,
        body=body.id,
        recipient=taken.address.text,
        reverse_path=message.reverse_path,
        received=message.received,
        size=message.size,
        subject=message.subject,
        message_id=message.message_id,
        parameters=Parameters(message.parameters, taken.parameters),
        state=IN_DOUBT if redirect.in_doubt else OWED,
        token=redirect.token,
        next_attempt=tx.now + redirect.retry_after if redirect.attempt or taken.attempts else 0,
    )


def _row(tx: Transaction, redirect: Redirect, taken: Taken) -> NewRow:
    message = redirect.message
    attempts = taken.attempts + redirect.attempt
    if taken.way is Way.KEEP:
        text = "2.0.0 Kept for the administrators"
        event = TrackingEvent(tx.now, events.REDIRECTED_HOST, 250, text)
        return message.row(taken, events.DELIVERED, 250, text, (*attempts, event))
    text = f"Redirect because: {redirect.because or taken.because}"
    return message.row(
        taken,
        events.DEFERRED,
        events.REDIRECTED_CODE,
        text,
        (*attempts, TrackingEvent(tx.now, events.REDIRECTED_HOST, events.REDIRECTED_CODE, text)),
        continuity=True,
        outcome=OWED,
        owed=taken.owed,
    )
