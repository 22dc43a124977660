"""Notes that a home server asks for what it is owed."""

from __future__ import annotations

from mpcontinuity.model.events import HomeWanted, OwedChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST_COUNTED = 1_000  # rows: a count of all would take longer the longer the outage was

_COUNT = Statement(
    """SELECT COUNT(*) FROM (SELECT 1 FROM owed WHERE domain = :domain
        AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt') LIMIT :most) AS waiting"""
)


def want(tx: Transaction, domain: int) -> int:
    """Has the home server of the domain probed, and its flush look for rows that are due, where it is owed anything.

    Returns how many rows it is owed, MOST_COUNTED at most.
    """
    count = int(tx.value(_COUNT, domain=domain, most=MOST_COUNTED))
    if count:
        tx.announce(HomeWanted(domain))
        tx.announce(OwedChanged(domain))
    return count
