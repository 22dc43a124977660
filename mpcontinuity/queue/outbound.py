"""What `queue list`, `queue retry` and `queue remove` do with mail to the world (outgoing.py)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from mpcontinuity.model.clock import DAY, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import QUEUED, OutgoingWanted, ReportDue, TrackingEvent
from mpcontinuity.model.identifier import moment_of, show
from mpcontinuity.model.outgoing import EXPIRED, FAILED, OPEN, REMOVED
from mpcontinuity.queue.listing import QueueRow
from mpcontinuity.queue.outgoing import undelivered
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import end_of_outgoing

STEP = 500  # rows of one transaction
_MORE_THAN_WAIT = 1 << 62  # messages
REMEMBERED = 90 * DAY  # as tracking does: `queue retry` reaches back so far

_LIST = Statement(
    """SELECT id, reverse_path, recipient, subject, message_id, attempts, next_attempt, expires, last_code, last_text
    FROM outgoing WHERE id > :after AND state IN ('queued', 'claimed') AND (:domain = 0 OR domain = :domain)
    ORDER BY id LIMIT :step"""
)
_BY_DESTINATION = Statement(
    """SELECT destination, COUNT(*), MIN(received), MIN(next_attempt), MAX(attempts),
        (SELECT last_text FROM outgoing AS one WHERE one.destination = outgoing.destination
            AND state IN ('queued', 'claimed') AND attempts > 0 AND (:domain = 0 OR domain = :domain)
            ORDER BY next_attempt DESC, id LIMIT 1)
    FROM outgoing WHERE state IN ('queued', 'claimed') AND (:domain = 0 OR domain = :domain)
    GROUP BY destination
    HAVING COUNT(*) < :messages OR (COUNT(*) = :messages AND destination > :destination)
    ORDER BY 2 DESC, destination LIMIT :step"""
)
# Index entries alone are read, never a row.
_WAITING = Statement(
    "SELECT domain, COUNT(*), MIN(id) FROM outgoing WHERE state IN ('queued', 'claimed') GROUP BY domain"
)


class Destination(msgspec.Struct, frozen=True):
    """A row of `queue destinations`: all that waits for one destination. Times are in ISO 8601."""

    destination: str
    messages: int
    oldest: str
    next_attempt: str
    attempts: int  # of the row that was tried most often
    last_text: str


class Waiting(msgspec.Struct, frozen=True):
    """How much of one domain waits for the world. Domain 0 stands for mail that is of no domain of ours."""

    domain: int
    messages: int
    oldest: int  # µs, when it was taken in


def listing(tx: Transaction, *, domain: int = 0, after: int = 0, limit: int = STEP) -> list[tuple[int, QueueRow]]:
    """Returns up to ``limit`` open rows with an id above ``after``, each with its id, of one ``domain`` or of all where
    it is 0."""
    return [
        (
            id_,
            QueueRow(
                id=show(id_),
                kind="outbound",
                sender=sender,
                recipient=recipient,
                subject=subject,
                message_id=message_id,
                attempts=attempts,
                next_attempt=iso(max(next_attempt, tx.now)),
                expires=iso(expires),
                last_code=code,
                last_text=text,
            ),
        )
        for id_, sender, recipient, subject, message_id, attempts, next_attempt, expires, code, text in tx.all(
            _LIST, domain=domain, after=after, step=limit
        )
    ]


def destinations(
    tx: Transaction, *, domain: int = 0, after: tuple[int, str] | None = None, limit: int = STEP
) -> list[Destination]:
    """Returns up to ``limit`` destinations, those with most waiting first; ``domain`` 0 is any.

    ``after`` is how many messages wait for the last one of the page before, and its name.
    """
    messages, destination = after or (_MORE_THAN_WAIT, "")
    rows = tx.all(_BY_DESTINATION, domain=domain, messages=messages, destination=destination, step=limit)
    return [
        Destination(name, waiting, iso(oldest), iso(max(next_attempt, tx.now)), attempts, last_text or "")
        for name, waiting, oldest, next_attempt, attempts, last_text in rows
    ]


def waiting(tx: Transaction) -> dict[int, Waiting]:
    """Returns how much waits for the world, by the id of the domain."""
    return {domain: Waiting(domain, messages, moment_of(oldest)) for domain, messages, oldest in tx.all(_WAITING)}


_FIND = Statement("SELECT id, domain, state, kind, reverse_path FROM outgoing WHERE id IN [:ids]")
_KNOWN = Statement("SELECT id FROM outgoing WHERE id IN [:ids]")
_REOPEN = Statement(
    """UPDATE outgoing SET state = 'queued', ended = 0, attempts = 0, next_attempt = 0, told = 0, unreported = 0,
        expires = :expires
    WHERE id = :id"""
)
_NOW = Statement("UPDATE outgoing SET next_attempt = 0 WHERE id = :id AND state = 'queued'")
_WANTED = Statement(
    """SELECT id FROM outgoing WHERE id > :after
        AND (state IN ('failed', 'expired') OR state = 'queued' AND next_attempt > 0)
        AND (:domain = 0 OR domain = :domain)
    ORDER BY id LIMIT :step"""
)


def known(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Returns those of ``ids`` that are rows here, in whatever state."""
    return {row[0] for row in tx.all(_KNOWN, ids=ids)}


def retry(tx: Transaction, ids: Sequence[int], by: str, *, domain: int = 0, give_up: int) -> int:
    """Makes rows due at once, and reopens failed and expired ones for ``give_up`` µs. Returns how many it changed.

    ``by`` is the administrator's name. Raises Refused, and changes nothing, for a row that has come to another end, and
    for one of another ``domain`` (0 permits any).
    """
    rows = _find(tx, ids, domain)
    for outgoing_id, _domain, state, *_ in rows:
        if state in (FAILED, EXPIRED):
            tx.run(_REOPEN, id=outgoing_id, expires=tx.now + give_up)
            end_of_outgoing(tx, outgoing_id, QUEUED, TrackingEvent(tx.now, "", 0, f"Reopened by {by}"))
        elif state in OPEN:
            tx.run(_NOW, id=outgoing_id)
        else:
            raise Refused(
                f"{show(outgoing_id)}: is {state} already; only failed and expired ones can be sent again", "conflict"
            )
    if rows:
        tx.announce(OutgoingWanted())
    return len(rows)


def retry_all(tx: Transaction, by: str, *, domain: int = 0, give_up: int, after: int = 0) -> list[int]:
    """Does `retry` with up to STEP rows above the id ``after``.

    Returns their ids: call it again with the last of STEP.
    """
    ids = [row[0] for row in tx.all(_WANTED, domain=domain, after=after, step=STEP)]
    retry(tx, ids, by, give_up=give_up)
    return ids


# A user whose message an administrator took out hears of it, as of every failure.
_REMOVE = Statement(
    """UPDATE outgoing SET state = :state, token = 0, lease_until = 0, ended = :now, last_code = 0, last_text = :text,
        unreported = CASE WHEN account IS NOT NULL AND kind = 'outbound' THEN 1 ELSE 0 END
    WHERE id = :id"""
)


def remove(tx: Transaction, ids: Sequence[int], by: str, *, domain: int = 0) -> int:
    """Takes rows out for an administrator. One that is being sent just now may still arrive. Returns how many.

    Raises Refused, and changes nothing, for a row that has ended, and for one of another ``domain`` (0 permits any).
    """
    rows = _find(tx, ids, domain)
    text = f"Removed by {by}"
    for outgoing_id, _domain, state, kind, reverse_path in rows:
        if state not in OPEN:
            raise Refused(f"{show(outgoing_id)}: is {state} already", "conflict")
        tx.run(_REMOVE, id=outgoing_id, state=REMOVED, now=tx.now, text=text)
        end_of_outgoing(tx, outgoing_id, undelivered(kind, reverse_path), TrackingEvent(tx.now, "", 0, text))
    if rows:
        tx.announce(ReportDue())
    return len(rows)


def _find(tx: Transaction, ids: Sequence[int], domain: int) -> list[tuple[int, int, str, str, str]]:
    rows: list[tuple[int, int, str, str, str]] = tx.all(_FIND, ids=ids)
    for outgoing_id, of, *_ in rows:
        if domain and of != domain:
            raise Refused(f"{show(outgoing_id)}: is of another domain", "forbidden")
    return rows


_HOLD = Statement(
    "UPDATE outgoing SET state = 'failed', ended = :now, last_text = :text WHERE id IN [:ids] AND state = 'queued'"
)


def hold(tx: Transaction, ids: Sequence[int], text: str) -> None:
    """Keeps queued rows from being sent, without a report, until an administrator decides."""
    tx.run(_HOLD, ids=ids, now=tx.now, text=text)


_FORGET = Statement(
    """DELETE FROM outgoing WHERE id IN (SELECT id FROM outgoing
        WHERE state IN ('failed', 'expired', 'removed') AND ended <= :before AND unreported = 0 LIMIT :step)"""
)


async def sweep(store: Store) -> None:
    """Drops rows that ended long ago."""
    before = store.clock.now() - REMEMBERED
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


def forget(tx: Transaction, before: int) -> int:
    """Drops up to STEP rows that ended before a time in µs. Returns how many: call it again while that is STEP."""
    return tx.run(_FORGET, before=before, step=STEP)
