"""How fast a flush goes, when it pauses, and what a reply is about."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.redelivery.pace import Pace
from mpcontinuity.redelivery.pausing import Pausing, Step
from mpcontinuity.redelivery.ramp import FIRST_RATE, Ramp
from mpcontinuity.routing.refusal import About
from tests.fakes.clock import ManualClock
from tests.redelivery.homes import FULL, LOST, OK, UNKNOWN

CLOSING = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.3.0", "what a mailbox"))


def refuse(pausing: Pausing, recipient: str, standing: Standing | None = None) -> Step:
    return pausing.judge(UNKNOWN, recipient, trial=False, about=About.ADDRESS, standing=standing)


def test_the_ramp_doubles_per_round_up_to_its_most() -> None:
    ramp = Ramp(7)
    widths = [ramp.width]
    for _ in range(3):
        for _ in range(ramp.width):
            ramp.good(0.1, 0)
        widths.append(ramp.width)
    assert widths == [1, 2, 4, 7]


def test_after_a_4xx_it_grows_by_one_per_round() -> None:
    ramp = Ramp(100)
    for _ in range(15):
        ramp.good(0.1, 0)
    ramp.slow(0, 0, throttled=False)
    assert ramp.width == 8
    for _ in range(9):
        ramp.good(0.1, 0)
    assert ramp.width == 9


def test_the_rate_doubles_per_second_until_home_throttles_and_then_grows_by_one() -> None:
    ramp, now = Ramp(7), 0.0
    rates = {0: ramp.rate}
    while now < 4:
        now += 1 / ramp.rate
        ramp.good(0.1, now)
        rates.setdefault(int(now), ramp.rate)
    assert [round(rates[second] / FIRST_RATE, 1) for second in range(4)] == pytest.approx([1, 2, 4, 8], rel=0.1)
    ramp.slow(4, 4, throttled=True)
    slowed = ramp.rate
    assert slowed <= 90  # half of what it took lately
    for number in range(int(slowed)):
        ramp.good(0.1, 5 + number / slowed)
    assert slowed < ramp.rate < slowed + 1.1


def test_what_was_under_way_together_is_throttled_once() -> None:
    ramp = Ramp(7)
    for number in range(60):
        ramp.good(0.1, number / 20)
    ramp.slow(2.9, 3, throttled=True)
    slowed = ramp.rate
    for _ in range(5):
        ramp.slow(2.95, 3.1, throttled=True)
    assert ramp.rate == slowed
    ramp.slow(3.2, 3.3, throttled=True)
    assert ramp.rate < slowed


def test_the_longer_a_throttle_lasts_the_slower_it_goes_and_it_speeds_up_by_steps() -> None:
    ramp, waits = Ramp(10), []
    for number in range(7):
        ramp.slow(number, number, throttled=True)
        waits.append(round(1 / ramp.rate))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    for number in range(5):
        ramp.good(0.1, 100 + number * 30)
    assert 1 / ramp.rate > 9  # one good answer does not end it


def test_a_mailbox_that_is_full_leaves_the_rate() -> None:
    ramp = Ramp(10)
    ramp.slow(0, 0, throttled=False)
    assert ramp.rate == FIRST_RATE


class Sharer:
    def __init__(self, pace: Pace, clock: ManualClock) -> None:
        self.begun: list[float] = []
        self._pace = pace
        self._clock = clock

    def wake(self) -> None:
        while self._pace.room(self) > 0:
            self._pace.take(self, 1)
            self.begun.append(self._clock.seconds())
            self._pace.good(0.01)
            self._pace.give(1)


def test_no_more_are_begun_in_a_second_than_the_rate_says(clock: ManualClock) -> None:
    pace = Pace(7, clock)
    began, sharer = clock.seconds(), Sharer(pace, clock)
    sharer.wake()
    for _ in range(400):
        clock.advance(0.01)
    counts = [sum(second <= at - began < second + 1 for at in sharer.begun) for second in range(4)]
    assert 2 * FIRST_RATE <= counts[0] <= 4 * FIRST_RATE
    for before, after in pairwise(counts):
        assert 1.4 * before <= after <= 2.1 * before, counts


def test_domains_that_share_a_home_have_turns_also_where_the_rate_is_the_limit(clock: ManualClock) -> None:
    pace = Pace(7, clock)
    one, two = Sharer(pace, clock), Sharer(pace, clock)
    for _ in range(5):
        pace.slow(clock.seconds(), "451 4.7.1 too many messages")
        clock.advance(1)
    one.wake()
    two.wake()
    for _ in range(1200):
        clock.advance(0.1)
    assert len(one.begun) > 5
    assert abs(len(one.begun) - len(two.begun)) <= len(one.begun) // 20 + 1


def test_what_home_said_is_told_as_long_as_it_throttles(clock: ManualClock) -> None:
    pace = Pace(7, clock)
    pace.slow(clock.seconds(), "")
    assert pace.throttled == ""
    pace.slow(clock.seconds(), "421 4.7.0 too many")
    clock.advance(59)
    assert pace.throttled == "421 4.7.0 too many"
    clock.advance(2)
    assert pace.throttled == ""


def on(steps: list[Step]) -> list[bool]:
    return [step is Step.ON for step in steps]


class TestPausing:
    def test_three_different_recipients_in_a_row(self) -> None:
        pausing = Pausing(Retry())
        steps = [refuse(pausing, recipient) for recipient in ("a@x", "b@x", "A@x", "c@x")]
        assert steps == [Step.ON, Step.ON, Step.ON, Step.PAUSE]

    def test_a_good_one_between_them_starts_the_row_over(self) -> None:
        pausing = Pausing(Retry())
        for recipient in ("a@x", "b@x"):
            refuse(pausing, recipient)
        pausing.judge(OK, "d@x", trial=False)
        assert refuse(pausing, "c@x") is Step.ON

    def test_a_4xx_between_them_does_not(self) -> None:
        pausing = Pausing(Retry())
        refuse(pausing, "a@x")
        pausing.judge(FULL, "d@x", trial=False)
        refuse(pausing, "b@x")
        pausing.judge(LOST, "e@x", trial=False)
        assert refuse(pausing, "c@x") is Step.PAUSE

    def test_421_for_three_different_recipients_in_a_row(self) -> None:
        pausing = Pausing(Retry())
        steps = [pausing.judge(CLOSING, recipient, trial=False) for recipient in ("a@x", "b@x", "a@x", "c@x")]
        assert on(steps) == [True, True, True, False]

    def test_421_again_and_again_for_one_recipient_is_that_mailbox(self) -> None:
        pausing = Pausing(Retry())
        assert on([pausing.judge(CLOSING, "a@x", trial=False) for _ in range(50)]) == [True] * 50

    def test_421_three_times_before_any_recipient_is_named(self) -> None:
        pausing = Pausing(Retry())
        closing = Outcome(Verdict.TEMPORARY, Stage.MAIL, Reply(421, "4.7.0", "too many"))
        assert on([pausing.judge(closing, "a@x", trial=False) for _ in range(3)]) == [True, True, False]

    def test_an_address_that_home_took_before_is_enough(self) -> None:
        pausing = Pausing(Retry())
        assert refuse(pausing, "a@x", Standing(taken=True, users=3)) is Step.PAUSE
        assert not pausing.counts(About.ADDRESS, Standing(taken=True, users=3))

    def test_who_is_refused_though_others_are_taken_waits_alone(self) -> None:
        pausing, known = Pausing(Retry()), Standing(taken=True, users=3)
        refuse(pausing, "a@x", known)
        pausing.pause("550 5.1.1 unknown user")
        assert pausing.judge(OK, "b@x", trial=True) is Step.RESUME
        pausing.resume()
        assert on([refuse(pausing, "a@x", known) for _ in range(5)]) == [True] * 5
        assert not pausing.counts(About.ADDRESS, known)
        assert refuse(pausing, "b@x", known) is Step.PAUSE

    def test_after_an_administrator_resumed_it_a_refusal_is_news_again(self) -> None:
        pausing, known = Pausing(Retry()), Standing(taken=True, users=3)
        refuse(pausing, "a@x", known)
        pausing.pause("550 5.1.1 unknown user")
        pausing.start_over()
        assert refuse(pausing, "a@x", known) is Step.PAUSE

    def test_all_users_of_an_office_of_two_unknown_are_a_home_without_users(self) -> None:
        pausing, small = Pausing(Retry()), Standing(taken=False, users=2)
        assert on([refuse(pausing, recipient, small) for recipient in ("a@x", "b@x")]) == [True, False]

    def test_only_what_began_in_the_pause_ends_it(self) -> None:
        pausing = Pausing(Retry())
        pausing.pause("550 no")
        assert pausing.judge(OK, "a@x", trial=False) is Step.ON
        assert pausing.judge(OK, "a@x", trial=True) is Step.RESUME

    def test_its_tries_come_at_growing_intervals(self) -> None:
        pausing = Pausing(Retry(first=30, longest=100))
        pausing.pause("550 no")
        intervals = [pausing.interval]
        for _ in range(3):
            pausing.tried()
            intervals.append(pausing.interval)
        assert intervals == [30, 60, 100, 100]


def test_an_alarm_from_the_time_of_a_throttle_holds_up_no_new_beginning(clock: ManualClock) -> None:
    pace = Pace(7, clock)
    for _ in range(7):
        pace.slow(clock.seconds(), "421 4.7.0 too many")
        clock.advance(1)
    sharer = Sharer(pace, clock)
    sharer.wake()  # from now on it waits for half a minute
    assert sharer.begun == []
    pace.begin_anew()
    sharer.wake()
    clock.advance(1)
    assert len(sharer.begun) > FIRST_RATE
