"""Rows of `archive` go when their time has come; their bodies follow with their packs (store/upkeep/retention.py)."""

from __future__ import annotations

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one transaction

_EXPIRE = Statement(
    "DELETE FROM archive WHERE id IN (SELECT id FROM archive WHERE expires <= :now ORDER BY expires LIMIT :step)"
)


async def sweep(store: Store) -> None:
    while await store.run(expire, bulk=True) == STEP:
        pass


def expire(tx: Transaction) -> int:
    """Drops up to STEP rows. Returns how many: call it again while that is STEP."""
    return tx.run(_EXPIRE, now=tx.now, step=STEP)
