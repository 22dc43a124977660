"""Stores mail that home does not take now, in one transaction: into INBOX at once, and owed to home."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mpcontinuity.archive.record import INBOUND, NewArchived, expiry
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.vacation import to_answer
from mpcontinuity.mailbox.append import NewEntry, append_all
from mpcontinuity.mailbox.mailboxes import inboxes
from mpcontinuity.model import events
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import IN_DOUBT, OWED
from mpcontinuity.queue import vacation
from mpcontinuity.queue.owed import NewOwed, Parameters, take_in
from mpcontinuity.queue.vacation import NewDue
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.bodies.references import insert_bodies
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all

OWED_DECISIONS = frozenset({Decision.REDIRECT, Decision.HOLD})


class Redirect(msgspec.Struct, frozen=True):
    """A message that is redirected. ``rendered`` is what INBOX needs (message/render.py), empty where no INBOX gets
    it."""

    message: Message
    rendered: bytes
    attempt: tuple[TrackingEvent, ...] = ()  # what home answered to the message
    because: str = ""  # of the message's failure; each recipient has its own reason otherwise
    in_doubt: bool = False
    token: int = 0  # in doubt, and we wait for home's late reply
    retry_after: int = 0  # µs, where home was tried


def keep_until(message: Message) -> int:
    """Returns until when the body is kept, in µs, as its row of `body` says; 0: for as long as it is owed."""
    if any(one.decision in OWED_DECISIONS for one in message.taken):
        return 0
    return expiry(message.received, message.retention_days)


def commit(tx: Transaction, messages: Sequence[tuple[Body, Redirect]]) -> list[bool]:
    """Stores all that 250 promises, for recipients who were not answered before, and returns for each message whether
    it was taken.

    That is: `body`, INBOX, owed, archive, tracking, answered. A message that was not taken had no such recipient left,
    and nothing is stored of it.
    """
    new = _not_answered(tx, messages)
    stored = [(body, redirect, taken) for (body, redirect), taken in zip(messages, new, strict=True) if taken]
    insert_bodies(tx, [(body, keep_until(redirect.message)) for body, redirect, _ in stored])
    copies: list[Copy] = []
    owed: list[NewOwed] = []
    archived: list[NewArchived] = []
    tracked: list[NewRow] = []
    answers: list[NewDue] = []
    for body, redirect, taken in stored:
        message = redirect.message
        kept = [one for one in taken if one.decision is Decision.REDIRECT]
        copies += copies_of(body, message, kept, redirect.rendered)
        answers += to_answer(body, message, kept, kept=True)
        owed += [_owed(redirect, body, one, tx.now) for one in taken if message.owes and one.decision in OWED_DECISIONS]
        archived += archived_as(body, message, taken)
        tracked += [_row(redirect, one, tx.now) for one in taken]
    put_in_inboxes(tx, copies)
    take_in(tx, owed)
    archive(tx, archived)
    record_all(tx, tracked)
    vacation.note(tx, answers)
    return [bool(taken) for taken in new]


def _not_answered(tx: Transaction, messages: Sequence[tuple[Body, Redirect]]) -> list[list[Taken]]:
    """The recipients of each message to whom it was not answered before, nor stands before in ``messages``."""
    fresh = answered.note(tx, [one.fingerprint for _, redirect in messages for one in redirect.message.taken])
    new = []
    for _, redirect in messages:
        taken = [one for one in redirect.message.taken if one.fingerprint in fresh]
        fresh.difference_update(one.fingerprint for one in taken)
        new.append(taken)
    return new


Copy = tuple[int, NewEntry]  # for the INBOX of an account


def copies_of(body: Body, message: Message, taken: Iterable[Taken], rendered: bytes) -> list[Copy]:
    """Returns one entry for the INBOX of each user, however many of their addresses were named."""
    entry = NewEntry(body.id, body.length, message.received, 0, (), rendered)
    return [(account, entry) for account in {one.account for one in taken} if account is not None]


def put_in_inboxes(tx: Transaction, copies: Sequence[Copy], *, owed: bool = True) -> None:
    """Puts entries into INBOXes.

    A user may have been removed since RCPT. Where home is ``owed`` the message, that raises Temporary, and the next
    attempt finds the address as it is by then; what home has is not copied to such a user.
    """
    inbox_of = inboxes(tx, {account for account, _ in copies})
    entries: dict[int, list[NewEntry]] = {}
    for account, entry in copies:
        if account in inbox_of:
            entries.setdefault(inbox_of[account], []).append(entry)
        elif owed:
            raise Temporary("a user whom the message is for was removed meanwhile")
    append_all(tx, entries)


def archived_as(body: Body, message: Message, taken: Iterable[Taken]) -> list[NewArchived]:
    """Returns a row of the archive for each domain, or none where they archive nothing."""
    if message.retention_days <= 0:
        return []
    recipients: dict[int, list[str]] = {}
    for one in taken:
        recipients.setdefault(one.domain, []).append(one.address.text)
    return [
        NewArchived(
            domain=domain,
            body=body.id,
            time=message.received,
            direction=INBOUND,
            sender=message.reverse_path,
            recipients=texts,
            subject=message.subject,
            message_id=message.message_id,
            size=message.size,
            retention_days=message.retention_days,
        )
        for domain, texts in recipients.items()
    ]


def _owed(redirect: Redirect, body: Body, taken: Taken, now: int) -> NewOwed:
    message = redirect.message
    return NewOwed(
        id=taken.owed,
        domain=taken.domain,
        account=taken.account,
        body=body.id,
        recipient=taken.address.text,
        reverse_path=message.reverse_path,
        received=message.received,
        size=message.size,
        subject=message.subject,
        message_id=message.message_id,
        parameters=Parameters(message.parameters, taken.parameters, taken.shown),
        state=IN_DOUBT if redirect.in_doubt else OWED,
        token=redirect.token,
        next_attempt=now + redirect.retry_after if redirect.attempt or taken.attempts else 0,
    )


def _row(redirect: Redirect, taken: Taken, now: int) -> NewRow:
    message = redirect.message
    attempts = taken.attempts + redirect.attempt
    if taken.decision is Decision.KEEP:
        text = "2.0.0 Kept for the administrators"
        event = TrackingEvent(now, events.REDIRECTED_HOST, 250, text)
        return message.row(taken, events.DELIVERED, 250, text, (*attempts, event))
    text = events.redirect_text(redirect.because or taken.because)
    return message.row(
        taken,
        events.DEFERRED,
        events.REDIRECTED_CODE,
        text,
        (*attempts, TrackingEvent(now, events.REDIRECTED_HOST, events.REDIRECTED_CODE, text)),
        continuity=True,
        outcome=OWED if message.owes else "",
        owed=taken.owed if message.owes else 0,
    )
