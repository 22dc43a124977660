from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.app.server import workers as module
from mpcontinuity.app.server.workers import Workers
from mpcontinuity.model.errors import Temporary
from tests.fakes.stores import result


class Threads:
    """Jobs begin, and end when they are told to."""

    def __init__(self) -> None:
        self.running: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def begin(self, reactor: object, pool: object, work: Callable[[], Any]) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.running.append((work, deferred))
        return deferred

    def end_one(self) -> Any:
        work, deferred = self.running.pop(0)
        done = work()
        deferred.callback(done)
        return done


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads()
    monkeypatch.setattr(module, "deferToThreadPool", threads.begin)
    return threads


def pool(*, most: int = 100, most_of_host: int = 100) -> Workers:
    return Workers(object(), "test", threads=2, most=most, most_of_host=most_of_host)  # type: ignore[arg-type]


def test_hosts_take_turns_so_that_a_storm_of_one_costs_another_a_job(threads: Threads) -> None:
    workers = pool()
    for number in range(50):
        workers(lambda number=number: f"storm {number}", "storm")  # type: ignore[misc]
    workers(lambda: "calm", "calm")
    assert [threads.end_one() for _ in range(4)] == ["storm 0", "storm 1", "storm 2", "calm"]


def test_no_more_run_at_a_time_than_there_are_threads(threads: Threads) -> None:
    workers = pool()
    for _ in range(10):
        workers(str, "a")
    assert len(threads.running) == 2
    threads.end_one()
    assert len(threads.running) == 2


def test_a_host_has_no_more_than_its_share_of_what_waits(threads: Threads) -> None:
    workers = pool(most_of_host=3)
    asked = [workers(str, "a") for _ in range(6)]
    with pytest.raises(Temporary):
        result(asked[-1])
    assert not any(deferred.called for deferred in asked[:-1])


def test_where_all_is_taken_who_has_most_gives_way(threads: Threads) -> None:
    workers = pool(most=4)
    storm = [workers(str, "storm") for _ in range(6)]
    calm = workers(lambda: "calm", "calm")
    with pytest.raises(Temporary):
        result(storm[-1])
    for _ in range(6):
        threads.end_one()
    assert result(calm) == "calm"
    assert all(deferred.called for deferred in storm)


def test_where_all_have_as_much_the_next_one_is_told_to_come_again(threads: Threads) -> None:
    workers = pool(most=2)
    for host in ("a", "b", "c", "d"):
        workers(str, host)
    with pytest.raises(Temporary):
        result(workers(str, "e"))


def test_a_job_that_fails_is_told_and_the_next_begins(threads: Threads) -> None:
    workers = pool()
    failing = workers(str, "a")
    _, deferred = threads.running[0]
    deferred.errback(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        result(failing)
    workers(str, "a")
    workers(str, "a")
    assert workers._running == 2
