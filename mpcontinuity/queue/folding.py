"""Turns ended rows of `owed` into numbers of the ledger, which keeps the sums for ever, but not the rows."""

from __future__ import annotations

from collections import Counter
from functools import partial

from mpcontinuity.accounts import counters
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.identifier import first_at
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 90 * DAY  # as tracking does: `report --since` and `queue retry` reach back so far
STEP = 500  # rows of one transaction

# The key rises with time, so old rows lie together; those that are still open are few and passed over.
_ENDED = Statement(
    """DELETE FROM owed WHERE id IN (
        SELECT id FROM owed WHERE id < :before AND ended > 0 AND ended < :then AND kept = 0 ORDER BY id LIMIT :step)
    RETURNING domain, account, state"""
)


async def sweep(store: Store) -> None:
    """Folds all rows that ended long ago, in short steps."""
    then = store.clock.now() - REMEMBERED
    while await store.run(partial(fold, then=then), bulk=True) == STEP:
        pass


def fold(tx: Transaction, then: int) -> int:
    """Folds up to STEP rows that ended before ``then`` (µs). Returns how many: call it again while that is STEP.

    Those stay by which a message leaves its mailbox later (kept.py).

    What was owed without an account leaves the ledger, because there is no line in which to keep its number.
    """
    ended = Counter(tx.all(_ENDED, before=first_at(then), then=then, step=STEP))
    for (domain, account, state), rows in ended.items():
        if account is None:
            meta.count_less(tx, unregistered_counter(domain), rows)
        else:
            counters.fold(tx, account, state, rows)
    return ended.total()
