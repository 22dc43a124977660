"""What a server bears: a table of answers that may be about a session, and a pace that follows what it takes."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Outcome, Reply, Stage
from mpcontinuity.outbound.capacity import IN_VAIN, LONGEST_PACE, Capacity, may_be_limit, of_session, says_limit
from mpcontinuity.protocols.smtp.client import outcome


def said(stage: Stage, line: str) -> Outcome:
    code, _, rest = line.partition(" ")
    enhanced, _, text = rest.partition(" ") if rest[1:2] == "." else ("", "", rest)
    return outcome(stage, Reply(int(code), enhanced, text))


@pytest.mark.parametrize(
    ("stage", "line", "used", "tainted"),
    [
        # Whether a fresh session is asked, after a used and after a spoiled one; a new one is never doubted.
        (Stage.MAIL, "450 4.7.1 too many", True, True),
        (Stage.MAIL, "451 4.3.0 not now", True, True),
        (Stage.MAIL, "550 5.7.1 not you", False, True),
        (Stage.RCPT, "450 4.7.1 too many errors", True, True),
        (Stage.RCPT, "450 4.2.0 full", False, True),
        (Stage.RCPT, "452 4.5.3 too many recipients", False, False),
        (Stage.RCPT, "452 4.2.2 full", False, False),
        (Stage.RCPT, "550 5.1.1 unknown", False, False),
        (Stage.RCPT, "550 5.7.1 too many errors", False, True),
        (Stage.DATA, "451 4.3.0 not now", True, True),
        (Stage.DATA, "554 5.5.1 no valid recipients", True, True),
        (Stage.MESSAGE, "451 4.7.1 too many", True, True),
        (Stage.MESSAGE, "554 5.7.1 spam", False, False),
    ],
)
def test_which_answers_may_be_about_the_session(stage: Stage, line: str, used: bool, tainted: bool) -> None:
    answer = said(stage, line)
    assert of_session(answer, used=True, tainted=False) is used
    assert of_session(answer, used=True, tainted=True) is tainted
    assert of_session(answer, used=False, tainted=True) is tainted
    assert not of_session(answer, used=False, tainted=False)


@pytest.mark.parametrize(
    ("line", "words", "perhaps"),
    [
        ("421 4.7.0 Too many connections", True, True),
        ("421 Too many concurrent SMTP connections", True, True),
        ("450 4.7.1 Error: too much mail from 192.0.2.1", True, True),
        ("451 4.7.500 Server busy. Please try again later", True, True),
        ("421 4.7.28 Our system has detected an unusual rate of mail", True, True),
        ("452 4.3.2 Connection rate limit exceeded", True, True),
        ("450 4.3.2 You send too fast", True, True),
        ("421 4.4.5 congested", False, True),
        ("450 4.7.0 policy", False, True),
        ("421 bye", False, True),
        ("450", False, True),
        ("421 4.3.2 Service shutting down", False, False),
        ("451 4.3.0 Temporary lookup failure, operation aborted", False, False),
        ("452 4.3.1 Insufficient system storage", False, False),
        ("554 5.7.1 too many hops", False, False),
    ],
)
def test_what_means_a_limit(line: str, words: bool, perhaps: bool) -> None:
    reply = said(Stage.MAIL, line).reply
    assert reply is not None
    assert says_limit(reply) is words
    assert may_be_limit(reply) is perhaps


def test_the_pace_is_slower_with_each_refusal_and_faster_with_each_message_until_it_is_none() -> None:
    capacity, now, waits = Capacity(10), 0.0, []
    for _ in range(5):
        capacity.balk(now)
        waits.append(capacity.rest(now))
        now += capacity.rest(now)
    assert waits == [1, 2, 4, LONGEST_PACE, LONGEST_PACE]
    for _ in range(30):
        capacity.begun(now)
        now += capacity.rest(now)
        capacity.served()
    capacity.begun(now)
    assert capacity.rest(now) == 0


def test_messages_that_are_put_off_together_are_one_refusal() -> None:
    capacity = Capacity(10)
    for _ in range(10):
        capacity.balk(0.0)
    assert capacity.rest(0.0) == 1


def test_twice_the_same_limit_in_a_session_is_a_rule_for_an_hour() -> None:
    capacity, answer = Capacity(10), said(Stage.MAIL, "421 4.7.0 enough")
    capacity.fresh_took(answer, 5, tainted=False, now=0)
    assert not capacity.worn(5, tainted=False, now=1)
    capacity.fresh_took(answer, 5, tainted=False, now=10)
    assert capacity.worn(5, tainted=False, now=11)
    assert not capacity.worn(4, tainted=False, now=11)
    assert not capacity.worn(5, tainted=False, now=3610)


def test_a_fresh_session_that_helps_after_all_is_asked_again() -> None:
    capacity, answer = Capacity(10), said(Stage.RCPT, "450 4.7.1 greylisted")
    for _ in range(IN_VAIN):
        assert not capacity.in_vain(answer, tainted=False, now=0)
        capacity.fresh_refused(answer, tainted=False, now=0)
    assert capacity.in_vain(answer, tainted=False, now=0)
    assert not capacity.in_vain(answer, tainted=True, now=0)
    capacity.fresh_took(answer, 1, tainted=False, now=0)
    assert not capacity.in_vain(answer, tainted=False, now=0)
