"""A domain with two users and messages that are owed to its home server, in a real store."""

from __future__ import annotations

import pytest

from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.queue.ledgers import Books


@pytest.fixture
def books(store: Store, clock: ManualClock) -> Books:
    return Books(store, clock)
