"""Notes mail that home took in the archive and in tracking, in one transaction, and repairs that after one that
failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mpcontinuity.accounts import domains, relay_check, users
from mpcontinuity.accounts.taken import note_taken
from mpcontinuity.archive.record import NewArchived, expiry
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.redirect import Copy, archived_as, copies_of, put_in_inboxes
from mpcontinuity.delivery.vacation import to_answer
from mpcontinuity.model import events
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.outgoing import INBOUND
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.queue import vacation
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import Parameters
from mpcontinuity.queue.unreported import passed_on
from mpcontinuity.queue.vacation import NewDue
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import insert_bodies, keep_longer
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all


@dataclass(frozen=True, slots=True)
class Relayed:
    """A message that home took.

    ``reply`` is home's to it. ``copies`` are recipients who opted in, and ``rendered`` is what their INBOX needs.
    ``newcomers`` says by domain how many users `relay-check` may have added within a day (newcomers.py); ``renewed``
    are keys of users' own addresses of which it is to be noted that home took them.
    """

    message: Message
    host: str
    reply: Reply
    newcomers: Mapping[int, int]
    copies: tuple[Taken, ...] = ()
    rendered: bytes = b""
    renewed: frozenset[str] = frozenset()
    reports: bool = True  # home tells the sender what becomes of it


def commit(tx: Transaction, messages: Sequence[tuple[Body, Relayed]]) -> list[None]:
    """Writes all that is to be remembered of messages that home has, their rows of `body` among it.

    Several messages may share a transaction, because rows are locked in one order. A message that may add a user is
    committed by itself (`adds_user`).
    """
    insert_bodies(tx, [(body, _keep_until(relayed)) for body, relayed in messages])
    answered.note(tx, [taken.fingerprint for _, relayed in messages for taken in relayed.message.taken])
    copies: list[Copy] = []
    archived: list[NewArchived] = []
    tracked: list[NewRow] = []
    answers: list[NewDue] = []
    unregistered: set[str] = set()
    for body, relayed in messages:
        message = relayed.message
        answers += to_answer(body, message, message.taken, kept=False)
        copies += copies_of(body, message, relayed.copies, relayed.rendered)
        archived += archived_as(body, message, message.taken)
        event = TrackingEvent(tx.now, relayed.host, relayed.reply.code, relayed.reply.line)
        tracked += [
            message.row(taken, events.DELIVERED, event.code, event.text, (*taken.attempts, event))
            for taken in message.taken
        ]
        if tells(message, reports=relayed.reports):
            _tell_sender(tx, body, relayed)
        unregistered |= relayed.renewed
        for taken in message.taken:
            if taken.user is None and not _added(tx, taken, relayed.newcomers.get(taken.domain, 0)):
                unregistered.add(taken.address.key)
    put_in_inboxes(tx, copies, owed=False)
    archive(tx, archived)
    record_all(tx, tracked)
    note_taken(tx, unregistered)
    vacation.note(tx, answers)
    return [None] * len(messages)


def tells(message: Message, *, reports: bool) -> bool:
    """Returns whether the sender wants to hear of the success and home, unless it ``reports``, does not tell them.

    What was submitted has a row of `outgoing` of its own for that.
    """
    if reports or not message.reverse_path or message.parameters.submitted:
        return False
    return bool(_asked(message))


def _asked(message: Message) -> list[Taken]:
    return [taken for taken in message.taken if "SUCCESS" in taken.parameters.notify.upper().split(",")]


def _tell_sender(tx: Transaction, body: Body, relayed: Relayed) -> None:
    """That it was passed on, where that was asked (RFC 3461 §5.2.2) and if reports/ finds who they are."""
    message = relayed.message
    rows = [
        NewOutgoing(
            id=tx.identifier(),
            domain=taken.domain,
            account=None,
            body=body.id,
            recipient=taken.address.text,
            destination=taken.address.domain,
            reverse_path=message.reverse_path,
            received=message.received,
            expires=message.received,
            parameters=Parameters(message.parameters, taken.parameters),
            kind=INBOUND,
        )
        for taken in _asked(message)
    ]
    passed_on(tx, rows, relayed.reply)


def adds_user(relayed: Relayed) -> bool:
    """Returns whether an address may become a user, which needs a transaction of its own that sees nobody else add
    it."""
    return any(
        taken.user is None and relayed.newcomers.get(taken.domain, 0) and relay_check.person(taken.address) is not None
        for taken in relayed.message.taken
    )


def _keep_until(relayed: Relayed) -> int:
    return 0 if relayed.copies else expiry(relayed.message.received, relayed.message.retention_days)


def _added(tx: Transaction, taken: Taken, most: int) -> bool:
    """Home knows this address: its owner becomes a pending user, unless there is one, of any status, or an
    administrator has removed them, or ``most`` were added within a day."""
    person = relay_check.person(taken.address) if most else None
    if person is None or users.find(tx, person) is not None or relay_check.was_removed(tx, person):
        return False
    if relay_check.facts(tx, taken.domain, most).found >= most:
        return False
    users.add_user(tx, domain=taken.domain, address=person, source="relay-check")
    return True


def repair(tx: Transaction, head: Head, body: Body, decisions: Mapping[str, str]) -> None:
    """Writes archive and tracking of a message that home took while our commit failed (store/upkeep/reconcile.py).

    The keys of ``decisions`` are the recipients. For domains that were removed meanwhile nothing is written.
    """
    recipients = [(domains.find(tx, address.domain), address) for address in map(parse, decisions)]
    taken = tuple(
        Taken(address, Decision.PASS, domain=domain.id) for domain, address in recipients if domain is not None
    )
    if not taken:
        return
    days = max(domain.settings.retention_days for domain, _ in recipients if domain is not None)
    text = "2.0.0 Taken by the home server; noted late, after a fault of our store"
    message = Message(
        id=head.id,
        received=head.time,
        reverse_path=head.reverse_path,
        parameters=MailParameters(),
        retention_days=days,
        subject=head.subject,
        message_id=head.message_id,
        size=body.length,
        taken=taken,
        direction=head.direction,
    )
    if head.direction == INBOUND:  # what was released from the archive is there already
        archive(tx, archived_as(body, message, message.taken))
        keep_longer(tx, body.id, expiry(head.time, message.retention_days))
    event = TrackingEvent(tx.now, "", 250, text)
    record_all(tx, [message.row(taken, events.DELIVERED, 250, text, (event,)) for taken in message.taken])
