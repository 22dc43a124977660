from __future__ import annotations

from mpcontinuity.delivery.quota import Quota
from tests.fakes.clock import ManualClock

ANN, BOB = 1, 2


def taken(quota: Quota, account: int = ANN) -> int:
    """How many more are let through."""
    count = 0
    while quota.take(account):
        count += 1
    return count


def test_so_many_in_an_hour_for_each_user(clock: ManualClock) -> None:
    quota = Quota(3, clock)
    assert (taken(quota), taken(quota, BOB)) == (3, 3)


def test_the_hour_slides(clock: ManualClock) -> None:
    quota = Quota(3, clock)
    quota.take(ANN)
    clock.advance(1800)
    assert taken(quota) == 2
    clock.advance(1799)
    assert taken(quota) == 0
    clock.advance(60)
    assert taken(quota) == 1
    clock.advance(1800)
    assert taken(quota) == 2


def test_what_is_given_back_may_be_used_in_the_same_hour(clock: ManualClock) -> None:
    quota = Quota(3, clock)
    assert taken(quota) == 3
    clock.advance(120)
    quota.give_back(ANN, 2)
    assert taken(quota) == 2
    quota.give_back(BOB, 5)
    assert taken(quota, BOB) == 3


def test_a_clock_that_steps_back_gives_everybody_a_new_hour(clock: ManualClock) -> None:
    quota = Quota(3, clock)
    assert taken(quota) == 3
    quota._clock = ManualClock(clock.now() - 86_400_000_000)
    assert taken(quota) == 3
