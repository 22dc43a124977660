"""How much mail came and went in an hour, counted from the rows of `tracking`."""

from __future__ import annotations

from typing import Final, NamedTuple

from mpcontinuity.model import identifier
from mpcontinuity.model.clock import HOUR
from mpcontinuity.model.events import DEFERRED, REJECTED
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import INBOUND, OUTBOUND

MOST_LOOKED_AT: Final = 20_000  # rows of an hour: a reader of the store is busy for some 20 ms with as many

# What was refused is looked at as well, so that the limit holds for what an hour costs.
_COUNTS = "SELECT direction, status, outcome, COUNT(*) FROM (SELECT * FROM tracking"
_GROUPED = "LIMIT :most) AS looked_at GROUP BY direction, status, outcome"
_OF_DOMAIN = Statement(f"{_COUNTS} WHERE domain = :domain AND received >= :begins AND received < :ends {_GROUPED}")
_OF_ALL = Statement(f"{_COUNTS} WHERE id >= :first AND id < :last {_GROUPED}")
# As the partial index `tracking_errors` has it: what home took and what it did not want is not even looked at.
_FIRST_KEPT = Statement(
    """SELECT received, text FROM (SELECT received, status, text FROM tracking
        WHERE direction = 'inbound' AND (status = 'deferred' OR status = 'rejected' AND code < 500)
        AND domain = :domain AND received >= :since AND received < :until ORDER BY received LIMIT :most) AS looked_at
    WHERE status = 'deferred' ORDER BY received LIMIT 1"""
)


class Flow(NamedTuple):
    """The mail of an hour, a message counted for each recipient.

    ``taken_in`` came in and was not refused. Of these, ``redirected`` were put into mailboxes here because home did not
    serve, and of these, home has ``redelivered`` by now. ``sent`` is what users sent. Where ``complete`` is not set,
    there was more, of which nothing was counted.
    """

    taken_in: int
    redirected: int
    redelivered: int
    sent: int
    complete: bool


def of_hour(tx: Transaction, domain: int | None, begins: int) -> Flow:
    """Returns the figures of the hour that ``begins`` then (µs): of a domain, or of all where that is None."""
    if domain is None:
        first, last = identifier.first_at(begins), identifier.first_at(begins + HOUR)
        rows = tx.all(_OF_ALL, first=first, last=last, most=MOST_LOOKED_AT)
    else:
        rows = tx.all(_OF_DOMAIN, domain=domain, begins=begins, ends=begins + HOUR, most=MOST_LOOKED_AT)
    looked_at = taken_in = redirected = redelivered = sent = 0
    for direction, status, outcome, count in rows:
        looked_at += count
        if direction == OUTBOUND:
            sent += count
        elif direction == INBOUND and status != REJECTED:
            taken_in += count
            redirected += count if status == DEFERRED else 0
            redelivered += count if status == DEFERRED and outcome == DELIVERED else 0
    return Flow(taken_in, redirected, redelivered, sent, looked_at < MOST_LOOKED_AT)


def first_kept(tx: Transaction, domain: int, since: int, until: int) -> tuple[int, str] | None:
    """Returns when the first message of a domain was put into a mailbox here instead of going home, from ``since`` to
    ``until`` (µs), and why, as tracking says it; None where none was, or MOST_LOOKED_AT were put off before it."""
    found = tx.one(_FIRST_KEPT, domain=domain, since=since, until=until, most=MOST_LOOKED_AT)
    return (int(found[0]), str(found[1])) if found is not None else None
