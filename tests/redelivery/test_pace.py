"""How fast a flush goes, when it pauses, and what a reply is about."""

from __future__ import annotations

from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.redelivery.pausing import Pausing, Step
from mpcontinuity.redelivery.ramp import Ramp
from mpcontinuity.routing.refusal import About
from tests.redelivery.homes import FULL, LOST, OK, UNKNOWN

CLOSING = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.3.0", "what a mailbox"))


def refuse(pausing: Pausing, recipient: str, standing: Standing | None = None) -> Step:
    return pausing.judge(UNKNOWN, recipient, trial=False, about=About.ADDRESS, standing=standing)


def test_the_ramp_doubles_per_round_up_to_its_most() -> None:
    ramp = Ramp(7)
    widths = [ramp.width]
    for _ in range(3):
        for _ in range(ramp.width):
            ramp.good(0.1)
        widths.append(ramp.width)
    assert widths == [1, 2, 4, 7]


def test_after_a_4xx_it_grows_by_one_per_round() -> None:
    ramp = Ramp(100)
    for _ in range(15):
        ramp.good(0.1)
    ramp.slow(throttled=False)
    assert ramp.width == 8
    for _ in range(9):
        ramp.good(0.1)
    assert ramp.width == 9


def test_at_the_narrowest_a_throttle_makes_it_wait_and_a_good_answer_ends_that() -> None:
    ramp = Ramp(10)
    waits = []
    for _ in range(7):
        ramp.slow(throttled=True)
        waits.append(ramp.wait)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    ramp.good(0.1)
    assert ramp.wait == 0


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
