"""Fixtures of the IMAP door."""

from __future__ import annotations

import pytest

from mpcontinuity.store.store import Store
from tests.access.imap.world import World
from tests.fakes.clock import ManualClock


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)
