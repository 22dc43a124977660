"""Mail that home took: archived and tracked. Work of one transaction, and its repair after one that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpcontinuity.accounts import domains, users
from mpcontinuity.archive.record import expiry
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.redirect import archived_as, copies_of, put_in_inboxes
from mpcontinuity.model import events
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.routing.decision import Way
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import insert_body, keep_longer
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import record_all

TAKEN_DAYS = 30  # how long an unregistered address that home took is remembered
_RENEW = DAY

_TAKEN = Statement(
    """INSERT INTO taken (key, time) VALUES (:key, :now)
    ON CONFLICT (key) DO UPDATE SET time = :now WHERE taken.time < :renew"""
)
_WAS_TAKEN = Statement("SELECT 1 FROM taken WHERE key = :key AND time >= :oldest")


@dataclass(frozen=True, slots=True)
class Relayed:
    """``reply`` is home's to the message; ``copies``: who has opted in; ``rendered``: what their INBOX needs."""

    message: Message
    host: str
    reply: Reply
    relay_check: bool
    copies: tuple[Taken, ...] = ()
    rendered: bytes = b""


def commit(tx: Transaction, body: Body, relayed: Relayed) -> None:
    """All that is to be remembered of a message that home has. Inserts the row of `body`."""
    message = relayed.message
    insert_body(tx, body, 0 if relayed.copies else expiry(message.received, message.retention_days))
    answered.note(tx, (taken.fingerprint for taken in message.taken))
    put_in_inboxes(tx, copies_of(body, message, relayed.copies, relayed.rendered), owed=False)
    archive(tx, archived_as(body, message, message.taken))
    event = TrackingEvent(tx.now, relayed.host, relayed.reply.code, relayed.reply.line)
    record_all(
        tx,
        [
            message.row(taken, events.DELIVERED, event.code, event.text, (*taken.attempts, event))
            for taken in message.taken
        ],
    )
    for taken in message.taken:
        if taken.user is None:
            _remember(tx, message.domain, taken.address, relayed.relay_check)


def _remember(tx: Transaction, domain: int, address: Address, relay_check: bool) -> None:
    """Home knows this address: it becomes a pending user, or is known as taken."""
    if relay_check and users.find(tx, address) is None:
        users.add_user(tx, domain=domain, address=_untagged(address), source="relay-check")
    else:
        tx.run(_TAKEN, key=address.key, now=tx.now, renew=tx.now - _RENEW)


def was_taken(tx: Transaction, key: str) -> bool:
    """Whether home took the unregistered address lately."""
    return tx.value(_WAS_TAKEN, key=key, oldest=tx.now - TAKEN_DAYS * DAY) is not None


def repair(tx: Transaction, head: Head, body: Body, decisions: Mapping[str, str]) -> None:
    """Archive and tracking of a message that home took while our commit failed (store/bodies/reconcile.py).

    ``decisions`` names the recipients, all of one domain. One that was removed meanwhile wants nothing of it any more.
    """
    recipients = [parse(text) for text in decisions]
    domain = domains.find(tx, recipients[0].domain) if recipients else None
    if domain is None:
        return
    text = "2.0.0 Taken by the home server; noted late, after a fault of our store"
    message = Message(
        id=head.id,
        domain=domain.id,
        received=head.time,
        reverse_path=head.reverse_path,
        parameters=MailParameters(),
        retention_days=domain.settings.retention_days,
        subject=head.subject,
        message_id=head.message_id,
        size=body.length,
        taken=tuple(Taken(recipient, Way.PASS) for recipient in recipients),
    )
    archive(tx, archived_as(body, message, message.taken))
    keep_longer(tx, body.id, expiry(head.time, message.retention_days))
    event = TrackingEvent(tx.now, "", 250, text)
    record_all(tx, [message.row(taken, events.DELIVERED, 250, text, (event,)) for taken in message.taken])


def _untagged(address: Address) -> Address:
    """Home took ``user+tag`` because it knows ``user``: one user, not one for each tag."""
    if address.untagged_key == address.key:
        return address
    try:
        return parse(address.untagged_key)
    except BadAddress:
        return address
