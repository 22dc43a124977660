"""Rows of ``webhook`` and ``webhook_event``: who is told of changes, and what is still to be told to them.

All functions are work for one transaction.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from mpcontinuity.model.clock import DAY, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.identifier import show
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST = 10  # hooks of a domain: each is told of every change, and a change is one transaction
WAITING = 100  # events that wait for one hook; more than a flapping home makes in a day (home_history.MOST_A_DAY)
LASTS = DAY  # an event is not tried longer: by then whoever is on duty knows, or looks at `status`

_ADD = Statement(
    """INSERT INTO webhook (id, domain, url, secret, authorities, created)
    VALUES (:id, :domain, :url, :secret, :authorities, :now) ON CONFLICT (domain, url) DO NOTHING"""
)
_COUNT = Statement("SELECT COUNT(*) FROM webhook WHERE domain = :domain")
_REMOVE = Statement("DELETE FROM webhook WHERE id = :id RETURNING domain, url")
_FORGET_EVENTS = Statement("DELETE FROM webhook_event WHERE webhook = :id")
_FORGET_TOLD = Statement("DELETE FROM webhook_told WHERE domain = :domain")
_COLUMNS = "webhook.id, domain.name, url, webhook.created, missed, tried, said"
_LIST = Statement(
    f"""SELECT {_COLUMNS}, (SELECT COUNT(*) FROM webhook_event WHERE webhook = webhook.id)
    FROM webhook JOIN domain ON domain.id = webhook.domain
    WHERE webhook.id > :after AND (:domain = 0 OR webhook.domain = :domain) ORDER BY webhook.id LIMIT :limit"""
)
_OF_DOMAIN = Statement("SELECT id FROM webhook WHERE domain = :domain ORDER BY id")
_DOMAIN_OF = Statement(
    "SELECT domain.name FROM webhook JOIN domain ON domain.id = webhook.domain WHERE webhook.id = :id"
)
_ADD_EVENT = Statement("INSERT INTO webhook_event (id, webhook, event, created) VALUES (:id, :webhook, :event, :now)")
_TOO_MANY = Statement(
    """DELETE FROM webhook_event WHERE id IN (
        SELECT id FROM webhook_event WHERE webhook = :webhook ORDER BY id DESC LIMIT :many OFFSET :most)"""
)
_MISSED = Statement("UPDATE webhook SET missed = missed + :count WHERE id = :webhook")
_OLD = Statement("DELETE FROM webhook_event WHERE created < :before RETURNING webhook")
# The oldest of each hook alone, so that it hears in order.
_DUE = Statement(
    """SELECT webhook_event.id, webhook, url, secret, authorities, event, missed, attempts, next_attempt
    FROM webhook_event JOIN webhook ON webhook.id = webhook_event.webhook
    WHERE webhook_event.id IN (SELECT MIN(id) FROM webhook_event GROUP BY webhook)
        AND (next_attempt <= :now OR next_attempt > :farthest)
    ORDER BY next_attempt LIMIT :limit"""
)
_CLAIM = Statement(
    """UPDATE webhook_event SET attempts = attempts + 1, next_attempt = :next
    WHERE id = :id AND attempts = :attempts"""
)
_DELIVERED = Statement("DELETE FROM webhook_event WHERE id = :id")
_SAID = Statement("UPDATE webhook SET tried = :now, said = :said, missed = missed - :told WHERE id = :webhook")


class Hook(NamedTuple):
    """A hook of the domain of that name, as administrators see it. Times are in µs; ``tried`` is 0 for never.

    ``missed`` are events that were dropped since one was delivered last, ``waiting`` those still to be told. ``said``
    is what was answered to the last one.
    """

    id: int
    domain: str
    url: str
    created: int
    missed: int
    tried: int
    said: str
    waiting: int


class Event(msgspec.Struct, frozen=True):
    """What a hook is told: an ``event`` of a ``domain`` at a ``time`` (ISO 8601), and its ``reason``.

    ``state`` is that of the home server then: up, down or recovering. ``id`` is the same at every attempt.
    """

    id: str
    event: str
    domain: str
    time: str
    state: str
    reason: str


class Due(NamedTuple):
    """An event that is to be sent, with all that is needed for it. ``attempts`` were made before."""

    id: int
    webhook: int
    url: str
    secret: str
    authorities: str
    event: str
    missed: int
    attempts: int
    next_attempt: int


def host(url: str) -> str:
    """Returns the URL without its path, query, name and password: each may be a secret."""
    try:
        named = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # no URL, which is refused; the log says so as well
        named = ""
    return f"https://{named}/…"


def add(tx: Transaction, domain: int, url: str, secret: str, authorities: str) -> int:
    """Adds a hook and returns its id. Raises Refused where the domain has it already, or MOST others."""
    if int(tx.value(_COUNT, domain=domain)) >= MOST:
        raise Refused(f"a domain has at most {MOST} webhooks", "conflict", Hint("webhook list", "shows them"))
    id_ = tx.identifier()
    if not tx.run(_ADD, id=id_, domain=domain, url=url, secret=secret, authorities=authorities, now=tx.now):
        raise Refused(f"{host(url)}: is told already", "taken", Hint("webhook list", "shows it"), "url")
    return id_


def remove(tx: Transaction, hook: int) -> str:
    """Removes a hook and what was to be told to it, and returns its URL. Raises Refused where there is none."""
    tx.run(_FORGET_EVENTS, id=hook)
    row = tx.one(_REMOVE, id=hook)
    if row is None:
        raise _unknown(hook)
    domain, url = row
    if not tx.all(_OF_DOMAIN, domain=domain):
        tx.run(_FORGET_TOLD, domain=domain)
    return str(url)


def domain_of(tx: Transaction, hook: int) -> str:
    """Returns the name of the domain of a hook. Raises Refused where there is no such hook."""
    name = tx.value(_DOMAIN_OF, id=hook)
    if name is None:
        raise _unknown(hook)
    return str(name)


def _unknown(hook: int) -> Refused:
    return Refused(f"{show(hook)}: no such webhook", "unknown", Hint("webhook list", "shows them"))


def listing(tx: Transaction, *, domain: int, after: int, limit: int) -> list[Hook]:
    """Returns up to ``limit`` hooks of a domain, or of all for 0, with ids above ``after``."""
    return tx.records(Hook, _LIST, domain=domain, after=after, limit=limit)


def tell(tx: Transaction, domain: int, event: str, name: str, *, time: int, state: str, reason: str) -> None:
    """Has all hooks of a domain be told of an event, after what they have not been told yet.

    ``name`` is that of the domain, ``time`` in µs.
    """
    for (hook,) in tx.all(_OF_DOMAIN, domain=domain):
        tell_one(tx, hook, event, name, time=time, state=state, reason=reason)


def tell_one(tx: Transaction, hook: int, event: str, name: str, *, time: int, state: str, reason: str) -> None:
    """Has one hook be told. Of more than WAITING events the oldest are dropped, and their number is told instead."""
    id_ = tx.identifier()
    told = Event(show(id_), event, name, iso(time), state, reason)
    tx.run(_ADD_EVENT, id=id_, webhook=hook, event=msgspec.json.encode(told).decode(), now=tx.now)
    dropped = tx.run(_TOO_MANY, webhook=hook, most=WAITING, many=WAITING)
    if dropped:
        tx.run(_MISSED, webhook=hook, count=dropped)


def due(tx: Transaction, limit: int, longest: int) -> list[Due]:
    """Returns up to ``limit`` events that are to be sent now, one of each hook at most.

    One that waits longer than ``longest`` (µs), as nobody makes it wait, is of the time of a clock that was ahead.
    """
    return tx.records(Due, _DUE, now=tx.now, farthest=tx.now + longest, limit=limit)


def drop_old(tx: Transaction) -> None:
    """Drops events that could not be told within LASTS; the hook is told how many it missed."""
    for (hook,) in tx.all(_OLD, before=tx.now - LASTS):
        tx.run(_MISSED, webhook=hook, count=1)


def claim(tx: Transaction, event: Due, next_attempt: int) -> bool:
    """Takes an event for sending: whatever happens, it is not sent again before ``next_attempt`` (µs).

    Returns False where another process was first, or the hook was removed.
    """
    return tx.run(_CLAIM, id=event.id, attempts=event.attempts, next=next_attempt) == 1


def answered(tx: Transaction, event: Due, said: str, *, taken: bool) -> None:
    """Notes what was answered to an event, and, where it was taken, that it is told."""
    if taken:
        tx.run(_DELIVERED, id=event.id)
    tx.run(_SAID, webhook=event.webhook, said=said, told=event.missed if taken else 0, now=tx.now)


def encoded(event: Due) -> bytes:
    """Returns the body to be sent: the event, with the number of events that were dropped before it."""
    told: dict[str, Any] = msgspec.json.decode(event.event)
    return msgspec.json.encode({**told, "missed": event.missed})
