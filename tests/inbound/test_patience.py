"""Clients that are slow, silent, or talk without end."""

from __future__ import annotations

import pytest

from mpcontinuity.inbound.patience import FRUITLESS, PACE
from mpcontinuity.model.reply import Stage
from mpcontinuity.model.settings import Limits
from tests.delivery.conftest import Post
from tests.delivery.homes import temporary
from tests.inbound.dialogues import Connection, Door

BEGUN = ("EHLO c.example", "MAIL FROM:<bob@example.net>", "RCPT TO:<ann@example.org>")


def begun(door: Door) -> Connection:
    client = door.connect()
    assert client.codes(*BEGUN)[-1] == "250"
    return client


def trickle(client: Connection, post: Post, seconds: int, octets: int, data: bytes) -> str:
    """Sends so many octets each ten seconds; what was said."""
    said = ""
    for _ in range(seconds // 10):
        post.clock.advance(10)
        client.send(data * octets)
        said += client.read()
    return said


def test_a_silent_client_is_let_go_after_five_minutes(door: Door, post: Post) -> None:
    client = door.connect()
    post.clock.advance(299)
    assert not client.wire.disconnecting
    post.clock.advance(2)
    assert client.read().endswith("421 4.4.2 Nothing heard for 5 minutes\r\n")
    assert client.wire.disconnecting


@pytest.mark.parametrize("begin", ["DATA", "BDAT 50000000"])
def test_a_message_that_trickles_is_ended_with_the_reason(door: Door, post: Post, begin: str) -> None:
    client = begun(door)
    client.say(begin)
    said = trickle(client, post, 900, 10, b"x\r\n")
    assert "421 4.4.2 The message comes too slowly: fewer than 500 octets per second" in said
    assert client.wire.disconnecting


def test_a_message_at_the_pace_of_a_modem_is_taken_however_long_it_is(door: Door, post: Post) -> None:
    client = begun(door)
    client.say("DATA")
    client.send(b"\r\n")
    said = trickle(client, post, 7200, PACE * 10 // 50 + 10, b"x" * 48 + b"\r\n")
    assert said == ""
    assert not client.wire.disconnecting
    assert client.codes(".") == ["250"]


def test_a_line_of_a_command_that_never_ends_is_silence(door: Door, post: Post) -> None:
    client = door.connect()
    said = trickle(client, post, 310, 1, b"N")
    assert "421 4.4.2 Nothing heard" in said


def test_commands_that_lead_to_nothing_are_not_heard_for_ever(door: Door, post: Post) -> None:
    client = begun(door)
    said = ""
    for _ in range(int(FRUITLESS) // 60 + 6):
        post.clock.advance(60)
        client.send(b"NOOP\r\n")
        said += client.read()
    assert said.endswith("421 4.4.2 No message for 30 minutes\r\n")


def test_a_client_that_sends_messages_may_stay(door: Door, post: Post) -> None:
    client = begun(door)
    for _ in range(40):
        client.say("DATA")
        assert client.codes("Subject: x", "", "x", ".")[-1:] == ["250"]
        post.clock.advance(250)
        assert client.codes(*BEGUN[1:]) == ["250", "250"]


@pytest.mark.parametrize(
    "command", ["NOOP", "RSET", "EHLO c", "HELO c", "VRFY x", "HELP", "EXPN x", "xyzzy", "", "BDAT 0"]
)
def test_a_flood_of_commands_is_bounded(door: Door, command: str) -> None:
    client = door.connect()
    said = client.say(*[command] * 10_000)
    assert said.splitlines()[-1].startswith("421 4.7.0 Too many ")
    assert said.count("\r\n") < 1200
    assert client.wire.disconnecting


def test_a_flood_of_transactions_that_are_given_up_is_bounded(door: Door) -> None:
    client = door.connect()
    client.say("EHLO c.example")
    said = client.say(*["MAIL FROM:<bob@example.net>", "RCPT TO:<ann@example.org>", "RSET"] * 5000)
    assert said.splitlines()[-1].startswith("421 4.7.0")


def test_who_guesses_addresses_is_sent_away(door: Door, post: Post) -> None:
    client = door.connect()
    client.say(*BEGUN[:2])
    codes = client.codes(*(f"RCPT TO:<guess{number}@elsewhere.example>" for number in range(1000)))
    assert codes == ["550"] * 250 + ["421"]


def test_ten_thousand_recipients_are_answered_each_and_a_thousand_taken(post: Post) -> None:
    door = Door(post, limits=Limits(recipients=1000))
    client = door.connect()
    client.say(*BEGUN[:2])
    codes: list[str] = []
    lines = [f"RCPT TO:<ann+{number}@example.org>" for number in range(10_000)]
    for start in range(0, 10_000, 1000):
        codes += client.codes(*lines[start : start + 1000])
    assert codes == ["250"] * 1000 + ["452"] * 9000
    client.say("DATA")
    assert client.codes("Subject: x", "", "x", ".") == ["250"]
    assert len(post.home.received[0][2]) == 1000


def test_what_is_refused_for_now_is_no_guess(door: Door, post: Post) -> None:
    post.home.recipients = {f"g{n}@example.org": temporary(Stage.RCPT) for n in range(400)}
    client = door.connect()
    client.say(*BEGUN[:2])
    codes = client.codes(*(f"RCPT TO:<g{number}@example.org>" for number in range(400)))
    assert set(codes) == {"451"}
    assert not client.wire.disconnecting
