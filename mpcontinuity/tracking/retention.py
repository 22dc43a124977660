"""Drops rows of `tracking` that are older than it remembers."""

from __future__ import annotations

from functools import partial

from mpcontinuity.model.clock import DAY
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import STEP, expire

REMEMBERED = 90 * DAY  # as long as the archive does by default: who finds a message there finds its way here


async def sweep(store: Store) -> None:
    """Drops all rows older than `REMEMBERED` that are owed no more, in steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(expire, before=before), bulk=True) == STEP:
        pass
