"""The stages of a mail transaction, and what becomes of one whose answer nobody has read."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.inbound.transactions import FOLLOWS, Stage, Transactions
from mpcontinuity.model.reply import Outcome
from mpcontinuity.model.reply import Stage as At
from mpcontinuity.routing.health import Gate
from tests.delivery.homes import accepted
from tests.inbound.dialogues import Door

ENVELOPE = ("MAIL FROM:<eve@example.net>", "RCPT TO:<ann@example.org>", "DATA")


def message(number: int) -> tuple[str, ...]:
    return (*ENVELOPE, f"Subject: {number}", f"Message-ID: <{number}@example.net>", "", "Text", ".")


def test_every_stage_is_reached_and_left() -> None:
    assert set(FOLLOWS) == set(Stage)
    assert all(FOLLOWS.values())
    assert set().union(*FOLLOWS.values()) == set(Stage)


def test_what_may_not_follow_is_a_fault_of_ours() -> None:
    with pytest.raises(RuntimeError, match="from NONE to COMPLETE"):
        Transactions().complete()
    Transactions().abandon()  # nothing to give up is no fault


def test_who_sends_the_next_message_without_reading_an_answer_has_not_read_the_first(door: Door) -> None:
    door.post.home.decision = Gate.SHUT
    client = door.connect()
    client.say("EHLO c.example")
    codes = client.codes(*message(1), *message(2), "NOOP")
    assert codes == ["250", "250", "354", "250"] * 2 + ["250"]
    assert door.post.count("answered") == 2
    client.say("NOOP")
    client.vanish()
    door.post.clock.advance(1)
    assert door.post.count("answered") == 1  # it may come again with the first, and is told that that is known
    assert len(door.post.inbox("ann@example.org")) == 2


def test_too_much_sent_behind_the_final_dot_is_no_answer_to_the_message(door: Door) -> None:
    answer: Deferred[Outcome] = Deferred()
    door.post.home.answer = answer
    client = door.connect()
    client.say("EHLO c.example")
    client.say(*message(1))
    for _ in range(5):
        client.send(b"x" * 65536)
    assert client.read() == ""
    answer.callback(accepted(At.MESSAGE))
    assert client.read().startswith("421 4.7.0 Too much was sent")
    assert client.wire.disconnecting
    client.vanish()
    assert door.factory.count() == 0
