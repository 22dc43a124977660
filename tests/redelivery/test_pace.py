"""How fast a flush goes, when it pauses, and what a reply is about."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.redelivery.pausing import Pausing, Step
from mpcontinuity.redelivery.ramp import Ramp
from mpcontinuity.redelivery.replies import concerns_us, throttles
from tests.redelivery.homes import BUSY, FULL, LOST, NO_REPLY, OK, RELAYING, SPAM, UNKNOWN


def refused(code: int, enhanced: str, text: str, stage: Stage = Stage.RCPT) -> Outcome:
    return Outcome(Verdict.REFUSED, stage, Reply(code, enhanced, text))


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


@pytest.mark.parametrize(
    "outcome",
    [
        RELAYING,
        refused(554, "5.7.1", "<a@b>: Relay access denied"),
        refused(550, "", "Unable to relay"),
        refused(554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.example"),
        refused(530, "5.7.0", "Authentication required"),
        refused(538, "5.7.11", "Encryption required"),
        Outcome(Verdict.TEMPORARY, Stage.MAIL, Reply(550, "5.1.8", "no sender is welcome")),
        Outcome(Verdict.TEMPORARY, Stage.GREETING, Reply(554, "", "no service")),
    ],
    ids=lambda outcome: outcome.text,
)
def test_replies_that_concern_us(outcome: Outcome) -> None:
    assert concerns_us(outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        UNKNOWN,
        SPAM,
        FULL,
        BUSY,
        LOST,
        OK,
        refused(550, "5.7.1", "Message contains a virus", Stage.MESSAGE),
        refused(550, "5.1.1", "relay: no such user"),
    ],
    ids=lambda outcome: outcome.text,
)
def test_replies_that_concern_a_message(outcome: Outcome) -> None:
    assert not concerns_us(outcome)


@pytest.mark.parametrize(("outcome", "throttled"), [(FULL, False), (BUSY, True), (LOST, True), (NO_REPLY, True)])
def test_a_full_mailbox_is_no_throttle(outcome: Outcome, throttled: bool) -> None:
    assert throttles(outcome) is throttled


class TestPausing:
    def test_three_different_recipients_in_a_row(self) -> None:
        pausing = Pausing(Retry())
        steps = [pausing.judge(UNKNOWN, recipient, trial=False) for recipient in ("a@x", "b@x", "A@x", "c@x")]
        assert steps == [Step.ON, Step.ON, Step.ON, Step.PAUSE]

    def test_a_good_one_between_them_starts_the_row_over(self) -> None:
        pausing = Pausing(Retry())
        for recipient in ("a@x", "b@x"):
            pausing.judge(UNKNOWN, recipient, trial=False)
        pausing.judge(OK, "d@x", trial=False)
        assert pausing.judge(UNKNOWN, "c@x", trial=False) is Step.ON

    def test_a_4xx_between_them_does_not(self) -> None:
        pausing = Pausing(Retry())
        outcomes = [(UNKNOWN, "a@x"), (FULL, "d@x"), (UNKNOWN, "b@x"), (LOST, "e@x"), (UNKNOWN, "c@x")]
        assert [pausing.judge(outcome, recipient, trial=False) for outcome, recipient in outcomes][-1] is Step.PAUSE

    def test_421_three_times_in_a_row(self) -> None:
        pausing = Pausing(Retry())
        closing = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.7.0", "too many"))
        assert [pausing.judge(closing, "a@x", trial=False) for _ in range(3)] == [Step.ON, Step.ON, Step.PAUSE]

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
