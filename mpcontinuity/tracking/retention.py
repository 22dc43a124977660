"""Drops rows of `tracking` that are older than it remembers, and what was noted of changes."""

from __future__ import annotations

from functools import partial

from mpcontinuity.model.clock import DAY, HOUR
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import STEP, expire, forget_changes

CHANGES_REMEMBERED = HOUR  # as far back as somebody who was cut off hears what they missed (control/live.py)
REMEMBERED = 90 * DAY  # as long as the archive does by default: who finds a message there finds its way here


async def sweep(store: Store) -> None:
    """Drops all rows older than `REMEMBERED` that are owed no more, and changes older than `CHANGES_REMEMBERED`, in
    steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(expire, before=before), bulk=True) == STEP:
        pass
    changes = store.clock.now() - CHANGES_REMEMBERED
    while await store.run(partial(forget_changes, before=changes), bulk=True) == STEP:
        pass
