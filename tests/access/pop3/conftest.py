"""Fixtures of the POP3 door."""

from __future__ import annotations

import pytest

from mpcontinuity.store.store import Store
from tests.access.pop3.world import World
from tests.fakes.clock import ManualClock


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)
