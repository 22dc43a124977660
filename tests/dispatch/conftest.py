"""A store and what it sends."""

from __future__ import annotations

import pytest

from mpcontinuity.store.store import Store
from tests.dispatch.post import Post
from tests.fakes.clock import ManualClock


@pytest.fixture
def post(store: Store, clock: ManualClock) -> Post:
    return Post(store, clock)
