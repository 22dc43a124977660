"""The contract's table, row by row."""

import pytest

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.routing.decision import (
    Decision,
    Policy,
    Recipient,
    at_message,
    at_recipient,
    before_asking,
    copied,
    policy_of,
)

REGISTERED = Recipient(registered=True)
UNKNOWN = Recipient()
TAKEN = Recipient(taken=True)
ROLE = Recipient(role=True)

ON = Policy()
OFF = Policy(continuity=False)
DECLARED = Policy(declared=True)
OUTAGE = Policy(outage_only=True)
HOLD = Policy(hold=True)


def outcome(verdict: Verdict, stage: Stage = Stage.RCPT, code: int = 0, enhanced: str = "") -> Outcome:
    return Outcome(verdict, stage, Reply(code, enhanced, "said home") if code else None, "" if code else "silence")


ACCEPTED = outcome(Verdict.ACCEPTED, code=250)
REFUSED = outcome(Verdict.REFUSED, code=550, enhanced="5.1.1")
TEMPORARY = outcome(Verdict.TEMPORARY, code=451, enhanced="4.3.0")
GREYLISTED = outcome(Verdict.TEMPORARY, code=450, enhanced="4.7.1")
UNREACHABLE = outcome(Verdict.FAILED, Stage.CONNECT)
GREETED_554 = outcome(Verdict.TEMPORARY, Stage.GREETING, code=554)
CLOSING = outcome(Verdict.TEMPORARY, code=421, enhanced="4.3.2")


@pytest.mark.parametrize(
    ("policy", "recipient", "away", "decision"),
    [
        (ON, REGISTERED, False, Decision.ASK),
        (ON, UNKNOWN, False, Decision.ASK),
        (ON, REGISTERED, True, Decision.REDIRECT),
        (ON, UNKNOWN, True, Decision.DEFER),
        (ON, TAKEN, True, Decision.DEFER),
        (ON, ROLE, True, Decision.HOLD),
        (HOLD, TAKEN, True, Decision.HOLD),
        (HOLD, UNKNOWN, True, Decision.DEFER),
        (DECLARED, REGISTERED, False, Decision.REDIRECT),
        (DECLARED, UNKNOWN, False, Decision.DEFER),
        (OFF, REGISTERED, False, Decision.ASK),
        (OFF, REGISTERED, True, Decision.DEFER),
        (Policy(continuity=False, declared=True), REGISTERED, False, Decision.ASK),
    ],
)
def test_before_home_is_asked(policy: Policy, recipient: Recipient, away: bool, decision: Decision) -> None:
    assert before_asking(policy, recipient, away) is decision


@pytest.mark.parametrize(
    ("policy", "recipient", "answer", "decision"),
    [
        (ON, REGISTERED, ACCEPTED, Decision.PASS),
        (ON, UNKNOWN, ACCEPTED, Decision.PASS),
        (ON, REGISTERED, REFUSED, Decision.REPLY),
        (ON, UNKNOWN, REFUSED, Decision.REPLY),
        (ON, ROLE, REFUSED, Decision.KEEP),
        (ON, REGISTERED, TEMPORARY, Decision.REDIRECT),
        (ON, UNKNOWN, TEMPORARY, Decision.DEFER),
        (ON, ROLE, TEMPORARY, Decision.HOLD),
        (ON, REGISTERED, UNREACHABLE, Decision.REDIRECT),
        (ON, UNKNOWN, UNREACHABLE, Decision.DEFER),
        (ON, REGISTERED, GREETED_554, Decision.REDIRECT),
        (ON, UNKNOWN, GREETED_554, Decision.DEFER),
        (ON, REGISTERED, GREYLISTED, Decision.REDIRECT),
        (HOLD, TAKEN, TEMPORARY, Decision.HOLD),
        (HOLD, UNKNOWN, TEMPORARY, Decision.DEFER),
        (OUTAGE, REGISTERED, GREYLISTED, Decision.REPLY),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.MAIL, 451, "4.1.8"), Decision.REPLY),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, code=452, enhanced="4.2.2"), Decision.REPLY),
        (OUTAGE, UNKNOWN, GREYLISTED, Decision.REPLY),
        (OUTAGE, ROLE, GREYLISTED, Decision.HOLD),
        (OUTAGE, REGISTERED, TEMPORARY, Decision.REDIRECT),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.RCPT, 450), Decision.REDIRECT),
        (OUTAGE, REGISTERED, UNREACHABLE, Decision.REDIRECT),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.GREETING, 421, "4.7.0"), Decision.REDIRECT),
        (OFF, REGISTERED, TEMPORARY, Decision.REPLY),
        (OFF, REGISTERED, UNREACHABLE, Decision.DEFER),
        (OFF, REGISTERED, GREETED_554, Decision.DEFER),
        (OFF, REGISTERED, CLOSING, Decision.DEFER),
        (OFF, REGISTERED, REFUSED, Decision.REPLY),
    ],
)
def test_home_answers_the_recipient(policy: Policy, recipient: Recipient, answer: Outcome, decision: Decision) -> None:
    assert at_recipient(policy, recipient, answer, others_taken=False) is decision


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (outcome(Verdict.TEMPORARY, code=452), Decision.SEPARATE),
        (outcome(Verdict.TEMPORARY, code=452, enhanced="4.5.3"), Decision.SEPARATE),
        (outcome(Verdict.REFUSED, code=552, enhanced="5.5.3"), Decision.SEPARATE),
        (outcome(Verdict.REFUSED, code=552), Decision.SEPARATE),
        (outcome(Verdict.TEMPORARY, code=452, enhanced="4.2.2"), Decision.REDIRECT),
        (outcome(Verdict.REFUSED, code=552, enhanced="5.2.2"), Decision.REPLY),
    ],
)
def test_too_many_recipients_for_home_are_sent_separately(answer: Outcome, decision: Decision) -> None:
    assert at_recipient(ON, REGISTERED, answer, others_taken=True) is decision


def test_a_552_to_the_first_recipient_is_a_refusal() -> None:
    assert at_recipient(ON, REGISTERED, outcome(Verdict.REFUSED, code=552), others_taken=False) is Decision.REPLY


DOUBTFUL = outcome(Verdict.DOUBTFUL, Stage.MESSAGE)
LATER = outcome(Verdict.TEMPORARY, Stage.MESSAGE, 451, "4.7.1")


@pytest.mark.parametrize(
    ("policy", "recipients", "answer", "decisions"),
    [
        (ON, [REGISTERED, UNKNOWN], outcome(Verdict.ACCEPTED, Stage.MESSAGE, 250), [Decision.PASS, Decision.PASS]),
        (ON, [REGISTERED, ROLE], outcome(Verdict.REFUSED, Stage.MESSAGE, 554), [Decision.REPLY, Decision.REPLY]),
        (ON, [REGISTERED], LATER, [Decision.REDIRECT]),
        (ON, [REGISTERED], DOUBTFUL, [Decision.REDIRECT]),
        (ON, [UNKNOWN], LATER, [Decision.DEFER]),
        (ON, [UNKNOWN], DOUBTFUL, [Decision.DEFER]),
        (ON, [UNKNOWN, REGISTERED], LATER, [Decision.HOLD, Decision.REDIRECT]),
        (ON, [UNKNOWN, ROLE], LATER, [Decision.HOLD, Decision.HOLD]),
        (HOLD, [UNKNOWN], LATER, [Decision.HOLD]),
        (OUTAGE, [REGISTERED], LATER, [Decision.REDIRECT]),
        (OFF, [REGISTERED], LATER, [Decision.REPLY]),
        (OFF, [REGISTERED], DOUBTFUL, [Decision.DEFER]),
        (Policy(continuity=False, hold=True), [UNKNOWN], DOUBTFUL, [Decision.DEFER]),
    ],
)
def test_home_answers_the_message(
    policy: Policy, recipients: list[Recipient], answer: Outcome, decisions: list[Decision]
) -> None:
    assert at_message(policy, recipients, answer) == decisions


@pytest.mark.parametrize(
    ("settings", "mode", "policy"),
    [
        (DomainSettings(), "disabled", Policy()),
        (DomainSettings(continuity=False), "optional", Policy(continuity=False)),
        (DomainSettings(), "enabled", Policy(declared=True)),
        (DomainSettings(mode="enabled"), "disabled", Policy()),  # its end has come
        (DomainSettings(), "optional", Policy(copies=True)),
        (DomainSettings(redirect_on="outage", unregistered="hold"), "disabled", Policy(outage_only=True, hold=True)),
    ],
)
def test_settings_become_a_policy_of_the_mode_in_force(settings: DomainSettings, mode: str, policy: Policy) -> None:
    assert policy_of(settings, mode) == policy


def test_only_who_opted_in_gets_copies_in_mode_optional() -> None:
    assert copied(Policy(copies=True), Recipient(registered=True, opted_in=True))
    assert not copied(Policy(copies=True), REGISTERED)
    assert not copied(ON, Recipient(registered=True, opted_in=True))
