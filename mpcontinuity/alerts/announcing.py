"""Keeps mail that the server itself writes, and places it: into INBOX, or into the queue of mail to the world.

It goes past a home server that is away. A user of ours whose domain is in an outage has it in INBOX, and home is never
owed it: by the time home is back it is stale. All others get it by the queue, as mail of kind ALERT from the null
sender (RFC 5321 §4.5.5), so that no bounce answers it; dispatch/ knows which route not to take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredList

from mpcontinuity.accounts import domains, home_state, users
from mpcontinuity.mailbox.append import NewEntry, append_all
from mpcontinuity.mailbox.mailboxes import inboxes
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message import announcement as message
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.trace import return_path
from mpcontinuity.model import events
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.outgoing import ALERT
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.settings import Settings
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import Parameters
from mpcontinuity.routing.health import State
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import insert_bodies
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all

MOST = 100  # announcements of one transaction, each some five rows: a transaction changes at most 1,000

_INBOX = "INBOX"
_APPEND = (
    "append"  # a direction and a decision of the head: an index that is built anew has it in INBOX, owed to nobody
)
_NEVER = RcptParameters(notify="NEVER")  # RFC 3461 §4.1: nobody is told what became of it

Mark = Callable[[Transaction], None]


class Announcement(msgspec.Struct, frozen=True):
    """What the server has to say to one address.

    ``domain`` is the id of the domain that it is about, 0 for none; it decides which way mail does not take.
    ``subject`` and ``text`` are cut at what message/announcement.py allows; lines of the text end in LF. ``into_inbox``
    says whether a user of ours has it in INBOX instead of by the queue; None: where their domain is in an outage.
    ``inbox_only``: who has no INBOX here is not told at all.
    ``thread`` is an id that announcements share which belong together, 0 for none. After ``lasts`` (µs) it is not sent
    any more.
    """

    to: Address
    domain: int
    subject: str
    text: str
    into_inbox: bool | None = None
    inbox_only: bool = False
    thread: int = 0
    lasts: int = DAY


class _Kept(msgspec.Struct, frozen=True):
    """An announcement whose body is durable. ``account`` is the user who has it in INBOX; None: it is queued."""

    announcement: Announcement
    id: int
    time: int  # µs
    account: int | None
    body: Body
    subject: str
    message_id: str
    plain: bool  # all octets are ASCII
    rendered: bytes


async def announce(store: Store, settings: Settings, announcements: Sequence[Announcement], mark: Mark) -> None:
    """Keeps up to MOST announcements, and places them in one transaction in which ``mark`` is called first.

    ``mark`` notes in the database that they were made, so that a crash repeats and forgets none; what it raises is
    raised here, and then nothing is placed. Raises Temporary as well.
    """
    if len(announcements) > MOST:
        raise ValueError(f"{len(announcements)} announcements: more than {MOST} in one transaction")
    owners = await store.read(partial(_owners, announcements=announcements))
    keeping = [
        Deferred.fromCoroutine(_keep(store, settings.hostname, one, owner))
        for one, owner in zip(announcements, owners, strict=True)
    ]
    kept = await _all(keeping)  # together, so that one sync of the disk serves them all
    give_up = int(settings.retry.give_up * SECOND)
    await store.run(partial(_place, kept=kept, mark=mark, give_up=give_up))


def in_outage(tx: Transaction, domain: domains.Domain) -> bool:
    """Returns whether users of the domain have their mail here now: its home server is down, or an outage declared."""
    if not domain.settings.continuity:
        return False
    return not domain.sends_home(tx.now) or home_state.state(tx, domain.id) is State.DOWN


async def _all(keeping: Sequence[Deferred[_Kept]]) -> list[_Kept]:
    """When all have ended, the first error is raised, if there is one."""
    ended: list[tuple[bool, Any]] = await DeferredList(keeping, consumeErrors=True)
    for good, value in ended:
        if not good:
            raise value.value
    return [value for _, value in ended]


async def _keep(store: Store, hostname: str, announcement: Announcement, user: users.User | None) -> _Kept:
    identifier, now = store.identifiers.next(), store.clock.now()
    content = message.compose(
        message.Announcement(
            hostname=hostname,
            identifier=show(identifier),
            time=now,
            recipient=announcement.to.text,
            subject=announcement.subject,
            text=announcement.text,
            thread=show(announcement.thread) if announcement.thread else "",
        )
    )
    summary = summarise(content)
    prefix = return_path("")
    whole = prefix + content
    head = Head(
        id=identifier,
        time=now,
        direction=ALERT if user is None else _APPEND,
        recipients=(announcement.to.text if user is None else user.address,),
        decisions={} if user is None else {user.address: _APPEND},
        prefix=len(prefix),
        subject=summary.subject,
        message_id=summary.message_id,
        mailbox="" if user is None else _INBOX,
    )
    draft = store.bodies.draft(retention_days=0)
    try:
        draft.write(whole)
        return _Kept(
            announcement=announcement,
            id=identifier,
            time=now,
            account=user.id if user is not None else None,
            body=await store.bodies.keep(draft, head),
            subject=summary.subject,
            message_id=summary.message_id,
            plain=content.isascii(),
            rendered=await rendered(store, whole) if user is not None else b"",
        )
    finally:
        draft.discard()


def _owners(tx: Transaction, announcements: Sequence[Announcement]) -> list[users.User | None]:
    return [_owner(tx, one) for one in announcements]


def _owner(tx: Transaction, announcement: Announcement) -> users.User | None:
    """The user who gets it into INBOX; None: it is queued."""
    domain = domains.find(tx, announcement.to.domain)
    if domain is None or announcement.into_inbox is False:
        return None
    user = users.find(tx, announcement.to)
    if user is None or not user.registered or not (announcement.into_inbox or in_outage(tx, domain)):
        return None
    return user


def _place(tx: Transaction, kept: Sequence[_Kept], mark: Mark, give_up: int) -> None:
    mark(tx)
    inbox_of = inboxes(tx, {one.account for one in kept if one.account is not None})
    kept = [one for one in kept if one.account in inbox_of or not one.announcement.inbox_only]
    queued = [one for one in kept if one.account not in inbox_of]
    insert_bodies(tx, [(one.body, 0 if one.account in inbox_of else one.time) for one in kept])
    entries: dict[int, list[NewEntry]] = {}
    for one in kept:
        if one.account is not None and one.account in inbox_of:
            entry = NewEntry(one.body.id, one.body.length, one.time, 0, (), one.rendered)
            entries.setdefault(inbox_of[one.account], []).append(entry)
    append_all(tx, entries)
    outgoing.take_in(tx, [_outgoing(one, min(one.announcement.lasts, give_up)) for one in queued])
    record_all(tx, [_row(tx, one, queued=one.account not in inbox_of) for one in kept])


def _outgoing(one: _Kept, lasts: int) -> NewOutgoing:
    to = one.announcement.to
    return NewOutgoing(
        id=one.id,
        domain=one.announcement.domain,
        account=None,
        body=one.body.id,
        recipient=to.text,
        destination=to.domain,
        reverse_path="",
        received=one.time,
        expires=one.time + lasts,
        kind=ALERT,
        parameters=Parameters(MailParameters(body="" if one.plain else "8BITMIME", smtputf8=not to.ascii), _NEVER),
        subject=one.subject,
        message_id=one.message_id,
        size=one.body.length - one.body.prefix,
    )


def _row(tx: Transaction, one: _Kept, *, queued: bool) -> NewRow:
    to = one.announcement.to
    event = TrackingEvent(tx.now, "", 0, "Queued") if queued else TrackingEvent(tx.now, "", 250, "2.0.0 Put into INBOX")
    return NewRow(
        domain=one.announcement.domain,
        received=one.time,
        direction=ALERT,
        status=events.QUEUED if queued else events.DELIVERED,
        recipient=to.text,
        recipient_key=to.key,
        message_id=one.message_id,
        subject=one.subject,
        size=one.body.length,
        code=event.code,
        text=event.text,
        events=(event,),
        owed=one.id if queued else 0,
        id=one.id,
    )
