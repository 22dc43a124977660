"""Frees leases whose holder is gone: what it had claimed is owed again, what it had in flight is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.events import OwedChanged, TrackingEvent
from mpcontinuity.model.owed import IN_DOUBT, NEVER
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import add_event

STEP = 500  # rows of one transaction

# Both are tried again at once: the session in which a late reply could have come is gone with the holder.
_FREE = f"""UPDATE owed SET state = CASE state WHEN 'claimed' THEN 'owed' ELSE 'in_doubt' END,
        token = 0, lease_until = 0, next_attempt = CASE WHEN next_attempt >= {NEVER} THEN next_attempt ELSE 0 END"""
_LEASED = "domain IN (SELECT id FROM domain) AND state IN ('claimed', 'in_flight', 'in_doubt') AND token <> 0"
_SWEEP = Statement(
    f"""{_FREE} WHERE id IN (SELECT id FROM owed WHERE {_LEASED}
        AND (lease_until <= :until OR lease_until > :farthest) LIMIT :step)
    RETURNING id, domain, state"""
)
_FOR_EVER = (1 << 63) - 1
_LONGEST = 11 * MINUTE  # of all leases (owed.py): one that ends later was taken by a clock that was wrong
_TOKENS = Statement(f"SELECT DISTINCT token FROM owed WHERE {_LEASED}")
_HELD_BY = Statement(f"{_FREE} WHERE {_LEASED} AND token IN [:tokens] RETURNING id, domain, state")


def sweep(tx: Transaction, *, all_holders_dead: bool = False) -> int:
    """Frees up to STEP rows whose lease has expired. Returns how many: call it again while that is STEP.

    After a jump of the clock nothing is freed until all leases are of the new time (clock.LEASES_LAST), because that
    would take rows from those who are sending them. ``all_holders_dead`` is true at the start of the only process,
    where no lease can have a living holder.
    """
    until = _FOR_EVER if all_holders_dead else tx.now
    rows = tx.all(_SWEEP, until=until, farthest=tx.now + _LONGEST, step=STEP)
    _freed(tx, rows)
    return len(rows)


def tokens(tx: Transaction) -> set[int]:
    """Returns the tokens of all leases."""
    return {row[0] for row in tx.all(_TOKENS)}


def free(tx: Transaction, tokens: Sequence[int]) -> None:
    """Frees all rows that are leased under these tokens, whose holders are dead."""
    _freed(tx, tx.all(_HELD_BY, tokens=tokens))


def _freed(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    for owed_id, _domain, state in rows:
        if state == IN_DOUBT:
            add_event(tx, owed_id, TrackingEvent(tx.now, "", 0, "Interrupted: the home server may have it"))
    for domain in {domain for _, domain, _ in rows}:
        tx.announce(OwedChanged(domain))
