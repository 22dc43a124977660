"""Chores are done at start and every hour, one by one, and by one process at a time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.app.server.housekeeping import AGAIN, Housekeeping
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.election import Alone
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.nodes import Cluster

HOUR = 3600


def test_a_chore_that_fails_stops_no_other_and_all_come_again(clock: ManualClock) -> None:
    done: list[str] = []

    async def first() -> None:
        done.append("first")
        raise RuntimeError("no")

    async def second() -> None:
        done.append("second")

    Housekeeping(clock, Alone(), [("first", first), ("second", second)]).start()
    assert done == ["first", "second"]
    clock.advance(HOUR)
    assert done == ["first", "second"] * 2


def test_after_a_disk_was_full_or_the_database_away_the_next_round_comes_sooner(clock: ManualClock) -> None:
    done: list[str] = []

    async def unlucky() -> None:
        done.append("unlucky")
        if len(done) == 1:
            raise Temporary("the database is away")

    Housekeeping(clock, Alone(), [("unlucky", unlucky)]).start()
    clock.advance(AGAIN)
    assert len(done) == 2
    clock.advance(AGAIN)
    assert len(done) == 2


def test_what_another_node_is_at_is_left_to_it(store: Store, clock: ManualClock) -> None:
    cluster = Cluster(store)
    done: list[int] = []
    under_way: list[Deferred[None]] = []

    def keeping(number: int) -> Housekeeping:
        async def slow() -> None:
            done.append(number)
            under_way.append(Deferred())
            await under_way[-1]

        node: Any = cluster.node()
        return Housekeeping(clock, node.election, [("slow", slow)])

    one, other = keeping(1), keeping(2)
    one.start()
    other.start()
    assert done == [1]
    under_way.pop().callback(None)
    clock.advance(HOUR)
    assert len(done) == 2
    under_way.pop().callback(None)
    one.stop()
    other.stop()
    assert not cluster.elections.holders
