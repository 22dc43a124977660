from __future__ import annotations

from mpcontinuity.accounts.throttle import Throttle
from tests.fakes.clock import ManualClock

LIMIT = 4


def test_parallel_guesses_count_before_they_have_failed(clock: ManualClock) -> None:
    throttle = Throttle(LIMIT, clock)
    waits = [throttle.begin("anna", "host", b"%d" % guess) for guess in range(LIMIT + 3)]
    assert waits == [0, 0, 0, 0, 1, 3, 7]  # behind each other


def test_a_client_that_opens_many_connections_with_one_password_is_not_slowed_down(clock: ManualClock) -> None:
    throttle = Throttle(LIMIT, clock)
    assert {throttle.begin("anna", "host", b"same") for _ in range(50)} == {0}


def test_those_who_would_have_to_queue_for_long_are_refused(clock: ManualClock) -> None:
    throttle = Throttle(LIMIT, clock)
    waits = [throttle.begin("anna", "host", b"%d" % guess) for guess in range(100)]
    assert waits.count(None) > 85
    assert max(wait for wait in waits if wait is not None) <= 60


def test_memory_is_bounded(clock: ManualClock) -> None:
    throttle = Throttle(LIMIT, clock)
    for number in range(100_100):
        throttle.begin("anna", f"host {number}", b"x")
    assert len(throttle._failures) == 100_000
