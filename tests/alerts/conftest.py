"""A store with a domain, two users, and people who hear of it."""

from __future__ import annotations

import pytest

from mpcontinuity.store.store import Store
from tests.alerts.post_room import PostRoom
from tests.fakes.clock import ManualClock


@pytest.fixture
def room(store: Store, clock: ManualClock) -> PostRoom:
    return PostRoom(store, clock)
