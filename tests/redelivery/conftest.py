"""A domain whose home server is a fake, and its redelivery on a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.model.settings import Retry
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.queue.ledgers import Books
from tests.redelivery.homes import FakeHome, FakeHomes


class World:
    """``flows`` starts the redelivery, with home up unless the test has it down."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.books = Books(store, clock)
        self.home = FakeHome(clock, self.books.domain.id)
        self.redelivery = self.new_redelivery(store)

    def new_redelivery(self, store: Store) -> Redelivery:
        environment = FlushEnvironment(store, self.clock, SeededRandomness(), Retry(), Paces(10, self.clock))
        homes: Any = FakeHomes(self.home)
        return Redelivery(environment, Directory(store), homes)

    def flows(self) -> None:
        result(self.redelivery.start())

    def stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.redelivery.stop())

    def wait(self, seconds: float, step: float = 1.0) -> None:
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step

    def state(self) -> State:
        """Home's, as the health machine has it."""
        return self.home.health.state

    def redirect(self, *names: str, **more: Any) -> list[int]:
        return [self.books.redirect(name, **more) for name in names]


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)


def outage(world: World, *names: str, **more: Any) -> list[int]:
    """Messages to these users while home is down."""
    world.home.goes_down()
    return world.redirect(*names, **more)


def users(world: World, count: int) -> list[str]:
    names = [f"user{number}" for number in range(count)]
    for name in names:
        world.books.add_user(name)
    return names
