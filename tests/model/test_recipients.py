from __future__ import annotations

from mpcontinuity.model.recipients import Recipients
from tests.fakes.clock import ManualClock

ANN, BOB = 1, 2


def taken(recipients: Recipients, account: int = ANN) -> int:
    """How many more are let through."""
    count = 0
    while recipients.take(account):
        count += 1
    return count


def test_so_many_in_an_hour_for_each_user(clock: ManualClock) -> None:
    recipients = Recipients(3, clock)
    assert (taken(recipients), taken(recipients, BOB)) == (3, 3)


def test_the_hour_slides(clock: ManualClock) -> None:
    recipients = Recipients(3, clock)
    recipients.take(ANN)
    clock.advance(1800)
    assert taken(recipients) == 2
    clock.advance(1799)
    assert taken(recipients) == 0
    clock.advance(60)
    assert taken(recipients) == 1
    clock.advance(1800)
    assert taken(recipients) == 2


def test_what_is_given_back_may_be_used_in_the_same_hour(clock: ManualClock) -> None:
    recipients = Recipients(3, clock)
    assert taken(recipients) == 3
    clock.advance(120)
    recipients.give_back(ANN, 2)
    assert taken(recipients) == 2
    recipients.give_back(BOB, 5)
    assert taken(recipients, BOB) == 3


def test_a_clock_that_steps_back_gives_everybody_a_new_hour(clock: ManualClock) -> None:
    recipients = Recipients(3, clock)
    assert taken(recipients) == 3
    recipients._clock = ManualClock(clock.now() - 86_400_000_000)
    assert taken(recipients) == 3
