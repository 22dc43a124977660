"""What real clients say that no standard knows."""

from __future__ import annotations

import pytest

from mpcontinuity.protocols.smtp.events import (
    Disconnect,
    Hello,
    Mail,
    Rcpt,
)
from mpcontinuity.protocols.smtp.terms import Limits
from tests.protocols.smtp.door import Door, play


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"m\xfcller-pc", "m?ller-pc"),  # Latin-1
        ("müller-pc".encode(), "m?ller-pc"),
        (b"my_scanner", "my_scanner"),
        (b"Front Desk", "Front?Desk"),
        (b"[192.168.1", "[192.168.1"),
        (b"[fe80::1%eth0]", "[fe80::1%eth0]"),
        (b"x\x1b[31my", "x?[31my"),
        (b"x" * 500, "x" * 255),
    ],
)
@pytest.mark.parametrize("verb", [b"EHLO", b"helo"])
def test_any_name_is_one_to_say_hello_with(verb: bytes, said: bytes, name: str) -> None:
    door = Door()
    door.engine.greet()
    assert b"250 " in door.hear(verb + b" " + said + b"\r\n")
    assert door.events == [Hello(name, verb == b"EHLO")]


def test_addresses_may_come_without_angle_brackets() -> None:
    door = play(
        """
        S: 220
        C: HELO c
        S: 250
        C: MAIL FROM:a@b.example SIZE=100
        S: 250
        C: RCPT TO: x@y.example
        C: RCPT TO:"two words"@y.example
        C: RCPT TO:postmaster
        C: RCPT TO:@relay.example:x@y.example
        C: RCPT TO:x@y.example>
        C: RCPT TO:x
        S: 250
        S: 250
        S: 250
        S: 550 5.1.3
        S: 501 5.5.4
        S: 501 5.1.3
        """
    )
    mail, *recipients = [event for event in door.events if isinstance(event, (Mail, Rcpt))]
    assert isinstance(mail, Mail)
    assert mail.address is not None
    assert (mail.address.text, mail.parameters.size) == ("a@b.example", 100)
    assert [one.address.text for one in recipients if isinstance(one, Rcpt)] == [
        "x@y.example",
        '"two words"@y.example',
        "postmaster@mx.example.org",
    ]


def test_what_only_home_can_judge_of_an_address_is_let_through_and_what_cannot_exist_is_not() -> None:
    door = play(
        f"""
        S: 220
        C: HELO c
        S: 250
        C: MAIL FROM:<bounce-{"x" * 100}@b.example>
        C: RCPT TO:<a..b@y.example>
        C: RCPT TO:<.a.@y.example>
        C: RCPT TO:<{"x" * 200}@y.example>
        C: RCPT TO:<x@y.example.>
        C: RCPT TO:<x@{"y" * 64}.example>
        C: RCPT TO:<x@y..example>
        S: 250
        S: 250
        S: 250
        S: 250
        S: 250
        S: 550 5.1.2
        S: 501 5.1.3
        """
    )
    told = [event.address.text for event in door.events if isinstance(event, Rcpt)]
    assert told == ["a..b@y.example", ".a.@y.example", "x" * 200 + "@y.example", "x@y.example"]


@pytest.mark.parametrize("command", ["RSET", "EHLO d", "HELO d"])
def test_rset_and_ehlo_are_250_until_they_are_421(command: str) -> None:
    door = Door(Limits(idle_commands=20))
    door.engine.greet()
    said = door.hear(b"NOOP\r\n" * 18 + b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n")
    said = door.hear(command.encode() + b"\r\n")
    assert b"250 " in said
    assert not door.engine._in_mail
    said = door.hear(command.encode() + b"\r\n")
    assert said == b"421 4.7.0 Too many commands without a message\r\n"
    assert isinstance(door.events[-1], Disconnect)


@pytest.mark.parametrize("before", ["", "EHLO c", "EHLO c\r\nMAIL FROM:<a@b.example>", "EHLO c\r\nRCPT TO:<x@y>"])
def test_rset_is_250_whenever_it_comes(before: str) -> None:
    door = Door()
    door.engine.greet()
    door.hear(before.encode() + b"\r\n" if before else b"")
    assert door.hear(b"RSET\r\n").endswith(b"250 2.0.0 Reset\r\n")
