"""The contract's table, row by row."""

import pytest

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.routing.decision import (
    Policy,
    Recipient,
    Way,
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
    ("policy", "recipient", "away", "way"),
    [
        (ON, REGISTERED, False, Way.ASK),
        (ON, UNKNOWN, False, Way.ASK),
        (ON, REGISTERED, True, Way.REDIRECT),
        (ON, UNKNOWN, True, Way.DEFER),
        (ON, TAKEN, True, Way.DEFER),
        (ON, ROLE, True, Way.HOLD),
        (HOLD, TAKEN, True, Way.HOLD),
        (HOLD, UNKNOWN, True, Way.DEFER),
        (DECLARED, REGISTERED, False, Way.REDIRECT),
        (DECLARED, UNKNOWN, False, Way.DEFER),
        (OFF, REGISTERED, False, Way.ASK),
        (OFF, REGISTERED, True, Way.DEFER),
        (Policy(continuity=False, declared=True), REGISTERED, False, Way.ASK),
    ],
)
def test_before_home_is_asked(policy: Policy, recipient: Recipient, away: bool, way: Way) -> None:
    assert before_asking(policy, recipient, away) is way


@pytest.mark.parametrize(
    ("policy", "recipient", "answer", "way"),
    [
        (ON, REGISTERED, ACCEPTED, Way.PASS),
        (ON, UNKNOWN, ACCEPTED, Way.PASS),
        (ON, REGISTERED, REFUSED, Way.REPLY),
        (ON, UNKNOWN, REFUSED, Way.REPLY),
        (ON, ROLE, REFUSED, Way.KEEP),
        (ON, REGISTERED, TEMPORARY, Way.REDIRECT),
        (ON, UNKNOWN, TEMPORARY, Way.DEFER),
        (ON, ROLE, TEMPORARY, Way.HOLD),
        (ON, REGISTERED, UNREACHABLE, Way.REDIRECT),
        (ON, UNKNOWN, UNREACHABLE, Way.DEFER),
        (ON, REGISTERED, GREETED_554, Way.REDIRECT),
        (ON, UNKNOWN, GREETED_554, Way.DEFER),
        (ON, REGISTERED, GREYLISTED, Way.REDIRECT),
        (HOLD, TAKEN, TEMPORARY, Way.HOLD),
        (HOLD, UNKNOWN, TEMPORARY, Way.DEFER),
        (OUTAGE, REGISTERED, GREYLISTED, Way.REPLY),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.MAIL, 451, "4.1.8"), Way.REPLY),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, code=452, enhanced="4.2.2"), Way.REPLY),
        (OUTAGE, UNKNOWN, GREYLISTED, Way.REPLY),
        (OUTAGE, ROLE, GREYLISTED, Way.HOLD),
        (OUTAGE, REGISTERED, TEMPORARY, Way.REDIRECT),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.RCPT, 450), Way.REDIRECT),
        (OUTAGE, REGISTERED, UNREACHABLE, Way.REDIRECT),
        (OUTAGE, REGISTERED, outcome(Verdict.TEMPORARY, Stage.GREETING, 421, "4.7.0"), Way.REDIRECT),
        (OFF, REGISTERED, TEMPORARY, Way.REPLY),
        (OFF, REGISTERED, UNREACHABLE, Way.DEFER),
        (OFF, REGISTERED, GREETED_554, Way.DEFER),
        (OFF, REGISTERED, CLOSING, Way.DEFER),
        (OFF, REGISTERED, REFUSED, Way.REPLY),
    ],
)
def test_home_answers_the_recipient(policy: Policy, recipient: Recipient, answer: Outcome, way: Way) -> None:
    assert at_recipient(policy, recipient, answer, others_taken=False) is way


@pytest.mark.parametrize(
    ("answer", "way"),
    [
        (outcome(Verdict.TEMPORARY, code=452), Way.SEPARATE),
        (outcome(Verdict.TEMPORARY, code=452, enhanced="4.5.3"), Way.SEPARATE),
        (outcome(Verdict.REFUSED, code=552, enhanced="5.5.3"), Way.SEPARATE),
        (outcome(Verdict.REFUSED, code=552), Way.SEPARATE),
        (outcome(Verdict.TEMPORARY, code=452, enhanced="4.2.2"), Way.REDIRECT),
        (outcome(Verdict.REFUSED, code=552, enhanced="5.2.2"), Way.REPLY),
    ],
)
def test_too_many_recipients_for_home_are_sent_separately(answer: Outcome, way: Way) -> None:
    assert at_recipient(ON, REGISTERED, answer, others_taken=True) is way


def test_a_552_to_the_first_recipient_is_a_refusal() -> None:
    assert at_recipient(ON, REGISTERED, outcome(Verdict.REFUSED, code=552), others_taken=False) is Way.REPLY


DOUBTFUL = outcome(Verdict.DOUBTFUL, Stage.MESSAGE)
LATER = outcome(Verdict.TEMPORARY, Stage.MESSAGE, 451, "4.7.1")


@pytest.mark.parametrize(
    ("policy", "recipients", "answer", "ways"),
    [
        (ON, [REGISTERED, UNKNOWN], outcome(Verdict.ACCEPTED, Stage.MESSAGE, 250), [Way.PASS, Way.PASS]),
        (ON, [REGISTERED, ROLE], outcome(Verdict.REFUSED, Stage.MESSAGE, 554), [Way.REPLY, Way.REPLY]),
        (ON, [REGISTERED], LATER, [Way.REDIRECT]),
        (ON, [REGISTERED], DOUBTFUL, [Way.REDIRECT]),
        (ON, [UNKNOWN], LATER, [Way.DEFER]),
        (ON, [UNKNOWN], DOUBTFUL, [Way.DEFER]),
        (ON, [UNKNOWN, REGISTERED], LATER, [Way.HOLD, Way.REDIRECT]),
        (ON, [UNKNOWN, ROLE], LATER, [Way.HOLD, Way.HOLD]),
        (HOLD, [UNKNOWN], LATER, [Way.HOLD]),
        (OUTAGE, [REGISTERED], LATER, [Way.REDIRECT]),
        (OFF, [REGISTERED], LATER, [Way.REPLY]),
        (OFF, [REGISTERED], DOUBTFUL, [Way.DEFER]),
        (Policy(continuity=False, hold=True), [UNKNOWN], DOUBTFUL, [Way.DEFER]),
    ],
)
def test_home_answers_the_message(
    policy: Policy, recipients: list[Recipient], answer: Outcome, ways: list[Way]
) -> None:
    assert at_message(policy, recipients, answer) == ways


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        (DomainSettings(), Policy()),
        (DomainSettings(continuity=False, mode="optional"), Policy(continuity=False)),
        (DomainSettings(mode="enabled"), Policy(declared=True)),
        (DomainSettings(mode="enabled", mode_until=101), Policy(declared=True)),
        (DomainSettings(mode="enabled", mode_until=100), Policy()),
        (DomainSettings(mode="optional"), Policy(copies=True)),
        (DomainSettings(redirect_on="outage", unregistered="hold"), Policy(outage_only=True, hold=True)),
    ],
)
def test_settings_become_a_policy_of_the_moment(settings: DomainSettings, policy: Policy) -> None:
    assert policy_of(settings, 100) == policy


def test_only_who_opted_in_gets_copies_in_mode_optional() -> None:
    assert copied(Policy(copies=True), Recipient(registered=True, opted_in=True))
    assert not copied(Policy(copies=True), REGISTERED)
    assert not copied(ON, Recipient(registered=True, opted_in=True))
