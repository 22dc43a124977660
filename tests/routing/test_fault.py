"""Whether a failed attempt is the fault of the home server or of one mailbox."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.routing.fault import closes, concerns_recipient, puts_off_all, throttles

FULL = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(452, "4.2.2", "mailbox full"))
CLOSING = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.3.0", "what a mailbox"))
BUSY = Outcome(Verdict.TEMPORARY, Stage.MESSAGE, Reply(451, "4.3.2", "busy"))
LOST = Outcome(Verdict.FAILED, Stage.DATA, None, "connection lost")
NO_REPLY = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "no reply in 10 s")
NO_GREETING = Outcome(Verdict.FAILED, Stage.GREETING, None, "no greeting in 10 s")


@pytest.mark.parametrize(("outcome", "throttled"), [(FULL, False), (CLOSING, True), (BUSY, True), (LOST, True)])
def test_a_full_mailbox_is_no_throttle(outcome: Outcome, throttled: bool) -> None:
    assert throttles(outcome) is throttled


@pytest.mark.parametrize(("outcome", "closed"), [(CLOSING, True), (LOST, True), (BUSY, False), (NO_REPLY, False)])
def test_silence_after_the_final_dot_ends_no_session(outcome: Outcome, closed: bool) -> None:
    assert closes(outcome) is closed


@pytest.mark.parametrize(("outcome", "concerns"), [(FULL, True), (LOST, True), (NO_GREETING, False)])
def test_what_fails_before_a_recipient_is_named_concerns_none(outcome: Outcome, concerns: bool) -> None:
    assert concerns_recipient(outcome) is concerns


@pytest.mark.parametrize(
    ("reply", "all_"),
    [
        (Reply(451, "4.3.2", "busy"), True),
        (Reply(451, "4.3.2", "Greylisted, please come back later"), False),
        (Reply(450, "4.3.0", "<a@x.example>: recipient address rejected: grey listed"), False),
        (Reply(451, "4.4.5", "congested"), False),
    ],
)
@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.MESSAGE])
def test_a_server_that_greylists_a_stranger_does_not_put_off_all_mail(reply: Reply, all_: bool, stage: Stage) -> None:
    assert puts_off_all(Outcome(Verdict.TEMPORARY, stage, reply)) is all_
