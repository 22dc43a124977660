"""Drops rows of `archive` when their time has come; bodies follow with their packs (store/upkeep/retention.py)."""

from __future__ import annotations

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one transaction

_EXPIRE = Statement(
    "DELETE FROM archive WHERE id IN (SELECT id FROM archive WHERE expires <= :now ORDER BY expires LIMIT :step)"
)


async def sweep(store: Store) -> None:
    """Drops all rows whose time has come, in steps of the bulk lane: a chore of every hour. Raises Temporary."""
    while await store.run(expire, bulk=True) == STEP:
        pass


def expire(tx: Transaction) -> int:
    """Drops up to STEP rows whose time has come, and returns how many: call it again while that is STEP."""
    return tx.run(_EXPIRE, now=tx.now, step=STEP)
