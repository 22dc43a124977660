"""Every way in which a home server can fail, at every stage: nothing is lost, and the sender learns the right thing."""

from __future__ import annotations

import time

import pytest

from tests.fakes.home import HANG_UP, SILENCE, TAKEN_THEN_HANG_UP, TAKEN_THEN_SILENCE, Behaviour, Stage, say, taken_late
from tests.journeys.world import SENDER, TIMEOUT, World, message, same_message

TEMPORARY = say("451 4.3.0 not now")
STAGES: list[Stage] = ["greeting", "ehlo", "mail", "rcpt", "data", "message"]
FAILURES: list[tuple[Stage, Behaviour]] = [
    ("connect", SILENCE),
    ("connect", HANG_UP),
    *((stage, behaviour) for stage in STAGES for behaviour in (TEMPORARY, SILENCE, HANG_UP)),
    ("greeting", say("554 5.3.2 no SMTP service here")),
    ("ehlo", say("550 5.7.1 go away")),
    ("mail", say("530 5.7.0 authentication required")),
    ("rcpt", say("535 5.7.8 no")),
    ("rcpt", say("421 4.3.2 closing", hang_up=True)),
    ("message", say("421 4.3.2 closing", hang_up=True)),
    ("message", say("538 5.7.11 encryption required")),
]
_PAST = ("connect", "greeting", "ehlo")  # for a session that is reused
CASES = [(*failure, warm) for warm in (False, True) for failure in FAILURES if not (warm and failure[0] in _PAST)]
REFUSALS: list[Stage] = ["mail", "rcpt", "data", "message"]


def _name(value: object) -> str:
    if isinstance(value, Behaviour):
        kind = "silence" if value.silent else "hang-up"
        return ("taken-" if value.take and not value.reply else "") + (value.reply[:3] if value.reply else kind)
    if isinstance(value, bool):
        return "reused" if value else "first"
    return str(value)


@pytest.mark.parametrize(("stage", "behaviour", "warm"), CASES, ids=_name)
def test_a_home_that_fails_costs_neither_the_sender_nor_the_user_anything(
    world: World, stage: Stage, behaviour: Behaviour, warm: bool
) -> None:
    if warm:
        assert world.send("before").code == 250
    world.home.on(stage, behaviour)
    answer = world.send("during")
    assert answer.code == 250, answer
    # Every reply has its own timeout; a reused session is tried afresh once.
    assert answer.seconds < 4 * TIMEOUT
    assert world.subjects() == ["during"]
    row = world.track(status="deferred", continuity=True)
    assert row["outcome"] in ("owed", "delivered")
    (redirect,) = [event for event in row["events"] if event["code"] == 444]
    assert redirect["text"].startswith("Redirect because: ")
    assert redirect["host"] == "continuityservice"
    world.home.clear()
    if (stage, behaviour) == ("message", SILENCE):  # our session waits up to 10 minutes for the reply
        world.home.drop_sessions()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert len(world.home.received("during")) == 1
    assert world.home.received("during")[0].id
    assert world.subjects() == ["during"]


@pytest.mark.parametrize("behaviour", [TAKEN_THEN_SILENCE, TAKEN_THEN_HANG_UP], ids=_name)
def test_a_message_whose_reply_is_lost_is_doubtful_and_sent_again_under_the_same_id(
    world: World, behaviour: Behaviour
) -> None:
    world.home.on("message", behaviour, times=1)
    assert world.send("doubtful").code == 250
    assert world.subjects() == ["doubtful"]
    if behaviour.silent:  # our session waits up to 10 minutes for the reply
        time.sleep(2 * TIMEOUT)
        assert len(world.home.received("doubtful")) == 1
        assert world.report()["owed"] == 1
        world.home.drop_sessions()
    world.home.clear()
    world.wait_for_ledger(taken_in=1, delivered=1)
    copies = world.home.received("doubtful")
    assert len(copies) == 2
    assert same_message(copies)


def test_a_late_2xx_ends_the_doubt_without_a_second_copy(world: World) -> None:
    world.home.on("message", taken_late(4 * TIMEOUT), times=1)
    answer = world.send("late")
    assert answer.code == 250
    assert answer.seconds < 3 * TIMEOUT
    assert world.report()["owed"] == 1
    world.wait_for_ledger(taken_in=1, delivered=1)
    time.sleep(3 * TIMEOUT)
    assert len(world.home.received("late")) == 1


def test_a_late_5xx_ends_the_doubt_as_failed(world: World) -> None:
    world.home.on("message", Behaviour("550 5.7.1 spam", wait=3 * TIMEOUT), times=1)
    assert world.send("refused late").code == 250
    world.wait_for_ledger(taken_in=1, failed=1)
    assert world.home.received("refused late") == []
    assert world.subjects() == ["refused late"]


def test_a_home_that_does_not_listen_is_down_and_later_messages_do_not_wait_for_it(world: World) -> None:
    world.home.stop()
    for number in range(3):
        answer = world.send(f"message {number}")
        assert answer.code == 250
        assert answer.seconds < TIMEOUT
    assert world.state() == "down"
    assert world.subjects() == ["message 0", "message 1", "message 2"]
    world.home.start()
    world.wait_for_ledger(taken_in=3, delivered=3)
    assert [message.subject for message in world.home.messages] == ["message 0", "message 1", "message 2"]
    world.wait_for(lambda: world.state() == "up")
    assert world.send("after").code == 250
    assert "after" not in world.subjects()


def test_a_silent_home_is_waited_for_once(world: World) -> None:
    world.home.on("connect", SILENCE)
    assert world.send("first").seconds >= TIMEOUT
    assert world.send("second").seconds < TIMEOUT
    assert world.subjects() == ["first", "second"]


@pytest.mark.parametrize("stage", REFUSALS)
def test_what_home_refuses_is_refused_in_its_own_words_and_not_kept(world: World, stage: Stage) -> None:
    world.home.on(stage, say("554 5.7.99 our own words, really"))
    answer = world.send("refused")
    assert answer.code == 554
    assert answer.text == "5.7.99 our own words, really"
    assert world.subjects() == []
    assert world.ledger()
    world.track(status="rejected", continuity=False, outcome=None, code=554)
    assert world.state() == "up"


def test_a_4xx_for_one_recipient_redirects_that_one_and_the_other_is_sent_by_itself(world: World) -> None:
    world.home.on("rcpt", say("452 4.2.2 mailbox full"), recipient=world.anna)
    with world.smtp() as client:
        client.ehlo()
        assert client.mail(SENDER)[0] == 250
        assert client.rcpt(world.anna)[0] == 250
        code, text = client.rcpt(world.ben)  # of another treatment
        assert (code, text[:5]) == (452, b"4.5.3")
        assert client.data(message("split"))[0] == 250
        assert client.sendmail(SENDER, [world.ben], message("split")) == {}
    assert world.subjects(world.anna) == ["split"]
    assert world.subjects(world.ben) == []
    assert world.state() == "up"
    world.home.clear()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert [copy.recipients for copy in world.home.received("split")] == [[world.ben], [world.anna]]


@pytest.mark.parametrize(
    ("stage", "behaviour"), [("greeting", HANG_UP), ("rcpt", TEMPORARY), ("message", TEMPORARY), ("message", HANG_UP)]
)
def test_an_unregistered_recipient_is_tried_again_by_the_sender(
    world: World, stage: Stage, behaviour: Behaviour
) -> None:
    stranger = f"stranger@{world.domain}"
    world.home.on(stage, behaviour)
    answer = world.send("to a stranger", stranger)
    assert (answer.code, answer.text[:5]) == (451, "4.4.1")
    assert world.ledger()
    world.home.clear()
    world.wait_for(lambda: world.send("to a stranger", stranger).code == 250)
    assert len(world.home.received("to a stranger")) == 1
    assert world.home.received("to a stranger")[0].recipients == [stranger]


def test_tls_that_is_required_and_not_offered_is_a_failure(world: World) -> None:
    world.cli("domain", "set", world.domain, "home-tls=required")
    assert world.send("in the clear").code == 250
    assert world.subjects() == ["in the clear"]
    assert world.home.messages == []
    assert world.state() == "down"
    world.cli("domain", "set", world.domain, "home-tls=opportunistic")
    world.wait_for_ledger(taken_in=1, delivered=1)


def test_what_home_takes_passes_through_unchanged(world: World) -> None:
    assert world.send("through", body=".dot\r\n..\r\nÜ").code == 250
    (copy,) = world.home.received("through")
    assert copy.sender == "bob@sender.example"
    assert copy.recipients == [world.anna]
    assert copy.data.split(b"\r\n\r\n", 1)[1] == ".dot\r\n..\r\nÜ\r\n".encode()
    assert list(copy.headers.keys())[:2] == ["X-MPContinuity-Id", "Received"]
    assert "Return-Path" not in copy.headers
    assert world.subjects() == []
    assert world.ledger()
    world.track(status="delivered", continuity=False, outcome=None, code=250)
