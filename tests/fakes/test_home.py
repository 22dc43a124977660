"""The scripted home server does what it is told."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator

import pytest

from tests.fakes.home import (
    HANG_UP,
    SILENCE,
    TAKEN_THEN_HANG_UP,
    THROTTLE,
    Behaviour,
    ScriptedHome,
    Stage,
    say,
    taken_late,
)

MESSAGE = "Subject: hello\r\nX-MPContinuity-Id: 7\r\n\r\n.dots\r\n..\r\nend\r\n"


@pytest.fixture
def home() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


def _send(home: ScriptedHome, recipient: str = "anna@example.org", sender: str = "bob@example.net") -> None:
    with smtplib.SMTP("127.0.0.1", home.port, timeout=0.5) as client:
        client.sendmail(sender, [recipient], MESSAGE, mail_options=["BODY=8BITMIME"])


def test_a_message_is_recorded_as_it_came(home: ScriptedHome) -> None:
    _send(home)
    (message,) = home.messages
    assert (message.sender, message.recipients) == ("bob@example.net", ["anna@example.org"])
    assert message.data == MESSAGE.encode()
    assert message.parameters.upper().endswith("BODY=8BITMIME")
    assert (message.subject, message.id) == ("hello", "7")


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "message"])
@pytest.mark.parametrize("behaviour", [say("451 4.3.0 not now"), say("550 5.7.1 never"), SILENCE, HANG_UP])
def test_each_stage_fails_as_ordered_and_as_often(home: ScriptedHome, stage: Stage, behaviour: Behaviour) -> None:
    rule = home.on(stage, behaviour, times=2)  # smtplib says HELO where EHLO failed
    with pytest.raises((smtplib.SMTPException, OSError)):
        _send(home)
    assert rule.hits >= 1
    assert not home.messages
    home.clear()
    _send(home)
    assert len(home.messages) == 1


def test_only_the_named_sender_or_recipient_is_treated_so(home: ScriptedHome) -> None:
    home.on("message", say("552 5.3.4 no"), recipient="anna@example.org")
    home.on("mail", say("452 4.2.2 no"), sender="eve@example.net")
    _send(home, "ben@example.org")
    for recipient, sender in (("anna@example.org", "bob@example.net"), ("ben@example.org", "eve@example.net")):
        with pytest.raises(smtplib.SMTPException):
            _send(home, recipient, sender)
    assert len(home.messages) == 1


def test_a_message_is_taken_though_the_reply_is_lost(home: ScriptedHome) -> None:
    home.on("message", TAKEN_THEN_HANG_UP, times=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        _send(home)
    assert len(home.messages) == 1
    home.on("message", taken_late(0.2))
    begin = time.monotonic()
    _send(home)
    assert time.monotonic() - begin >= 0.2
    assert len(home.messages) == 2


def test_the_port_is_closed_and_opened_again(home: ScriptedHome) -> None:
    port = home.port
    home.stop()
    with pytest.raises(ConnectionRefusedError):
        _send(home)
    home.start()
    assert home.port == port
    _send(home)


def test_more_sessions_than_allowed_are_throttled() -> None:
    with ScriptedHome(max_sessions=1) as home:
        first = smtplib.SMTP("127.0.0.1", home.port, timeout=1)
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            smtplib.SMTP("127.0.0.1", home.port, timeout=1)
        first.quit()
        assert home.wait_for(lambda: not home._open)
        home.on("ehlo", THROTTLE)
        with pytest.raises(smtplib.SMTPException):
            _send(home)
