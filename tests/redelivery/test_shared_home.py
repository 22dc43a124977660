"""Two domains at one home server: what is owed to both goes at one pace, and it has recovered when both are done."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes.service import Watch
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.settings import Home, Retry
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Pace, Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.routing.health import Observation, State
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.outbound.wire import Network, ScriptedHome
from tests.queue.ledgers import Books

HOST = "127.0.0.1:25"
USERS = 20


class Site:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.net = Network(clock, connections=4)
        self.scripted = self.net.homes[HOST] = ScriptedHome(needs=2)
        self.books = [Books(store, clock, name) for name in ("one.example", "two.example")]
        directory, randomness = Directory(store), SeededRandomness()
        settings = Home(recovery_probes=1)
        self.watch = Watch(store, directory, self.net.servers, settings, timer=clock, randomness=randomness)
        environment = FlushEnvironment(store, clock, randomness, Retry(), Paces(4, clock))
        self.redelivery = Redelivery(environment, directory, self.net.servers)
        result(self.watch.start())
        result(self.redelivery.start())

    def outage(self) -> list[list[int]]:
        """What is owed to each domain after it."""
        self.net.servers.all()[0].observe(Observation.UNREACHABLE, "refused")
        return [[books.redirect(f"user{number}") for number in range(USERS)] for books in self.books]

    def states(self) -> set[State]:
        return {home.health.state for home in self.net.servers.all()}


@pytest.fixture
def site(store: Store, clock: ManualClock) -> Site:
    return Site(store, clock)


def test_they_share_one_pace_and_are_served_in_turn(site: Site) -> None:
    rows = site.outage()
    most, lead = 0, 0
    for _ in range(120):
        site.net.settle(1)
        under_way = sum(wire.lines.count("DATA") - wire.taken for wire in site.scripted.wires)
        most = max(most, site.scripted.open)
        done = [
            [books.state(row) for row in owed].count(DELIVERED) for books, owed in zip(site.books, rows, strict=True)
        ]
        lead = max(lead, abs(done[0] - done[1]))
        if done[0] != done[1] and min(done) < USERS:
            assert site.states() <= {State.DOWN, State.RECOVERING}
    assert done == [USERS, USERS]
    assert under_way == 0
    assert most <= 4
    assert lead <= USERS // 4
    assert site.states() == {State.UP}


class Sharer:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_whoever_finds_no_room_is_woken_when_there_is(clock: ManualClock) -> None:
    pace, one, two = Pace(3, clock), Sharer(), Sharer()
    assert pace.room(one) == 1
    pace.take(one, 1)
    assert pace.room(one) == pace.room(two) == pace.room(one) == 0
    pace.give(1)
    assert (one.woken, two.woken) == (1, 1)
    pace.give(0)
    assert (one.woken, two.woken) == (1, 1)
