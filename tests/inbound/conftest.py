from collections.abc import Iterator

import pytest

from mpcontinuity.store.store import Store
from tests.delivery.conftest import Post
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.inbound.dialogues import Door


@pytest.fixture
def post(store: Store, clock: ManualClock) -> Iterator[Post]:
    sender = Post(store, clock)
    yield sender
    result(sender.delivery.stop())


@pytest.fixture
def door(post: Post) -> Door:
    return Door(post)
