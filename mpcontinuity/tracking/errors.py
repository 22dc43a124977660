"""Errors, as alerts and `status` count them: messages that the home server failed (contract 'Alerts').

A message counts once for each recipient and hour, however often its sender's server tries again. Redirects while home
is known to be down count, those that administrators asked for do not; probes are not in tracking.
"""

from __future__ import annotations

from typing import NamedTuple

from mpcontinuity.model.clock import HOUR
from mpcontinuity.model.events import NO_FAULT, redirect_text
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# Rows looked at for each error that is asked for: who is put off tries again about every quarter of an hour.
_TRIES = 4
_AT_LEAST = 1_000  # rows looked at
_ALL = 1 << 62

# As the partial index `tracking_errors` has it, so that nothing else is read.
_ERROR = """direction = 'inbound' AND (status = 'deferred' OR status = 'rejected' AND code < 500)
    AND domain = :domain AND received >= :since AND text NOT IN [:no_fault]"""
# What we took is a message of its own each time; what was refused has no Message-ID where home refused its recipient.
_COUNT = Statement(
    f"""SELECT COUNT(*), COUNT(DISTINCT message) FROM (SELECT recipient_key || ' ' || sender || ' ' ||
        CASE WHEN message_id <> '' THEN message_id WHEN status = 'deferred' THEN CAST(id AS TEXT) ELSE '' END ||
        ' ' || CAST(received / {HOUR} AS TEXT) AS message
    FROM tracking WHERE {_ERROR} ORDER BY received DESC LIMIT :looked_at) AS errors"""
)
_EXAMPLES = Statement(
    f"""SELECT received, sender, recipient, code, text FROM tracking WHERE {_ERROR}
    ORDER BY received DESC LIMIT :most"""
)
_NO_FAULT = [redirect_text(reason) for reason in NO_FAULT]


class Error(NamedTuple):
    """A message that home failed, for one recipient. ``received`` is in µs."""

    received: int
    sender: str
    recipient: str
    code: int
    text: str


def count(tx: Transaction, domain: int, since: int) -> int:
    """Returns how many errors a domain has had since then (µs)."""
    return _count(tx, domain, since, _ALL)[1]


def reaches(tx: Transaction, domain: int, since: int, errors: int) -> bool:
    """Returns whether a domain has had at least so many errors since then (µs).

    Only the newest rows are looked at, as long as these tell it: so it costs what the number is, and not what the
    outage is.
    """
    looked_at = max(_TRIES * errors, _AT_LEAST)
    rows, found = _count(tx, domain, since, looked_at)
    if found < errors and rows == looked_at:
        found = count(tx, domain, since)
    return found >= errors


def examples(tx: Transaction, domain: int, since: int, most: int) -> list[Error]:
    """Returns the newest errors of a domain since then (µs), up to ``most``."""
    return tx.records(Error, _EXAMPLES, domain=domain, since=since, no_fault=_NO_FAULT, most=most)


def _count(tx: Transaction, domain: int, since: int, looked_at: int) -> tuple[int, int]:
    rows, found = tx.one(_COUNT, domain=domain, since=since, no_fault=_NO_FAULT, looked_at=looked_at) or (0, 0)
    return int(rows), int(found)
