"""The retry schedule of `[retry]`."""

from __future__ import annotations

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import Retry
from mpcontinuity.queue.schedule import delay
from tests.fakes.clock import SeededRandomness

RETRY = Retry(first=30, longest=3600)


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    whole = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    for attempt, seconds in enumerate(whole, 1):
        drawn = [delay(attempt, RETRY, SeededRandomness(seed)) / SECOND for seed in range(50)]
        assert all(0.8 * seconds <= wait <= seconds for wait in drawn)
        assert len(set(drawn)) > 25


def test_any_number_of_attempts_has_a_delay() -> None:
    assert delay(10_000, RETRY, SeededRandomness()) <= 3600 * SECOND
    assert delay(1, Retry(first=0, longest=0), SeededRandomness()) == 0
