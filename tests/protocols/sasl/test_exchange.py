"""PLAIN and LOGIN."""

from __future__ import annotations

import pytest

from mpcontinuity.protocols.sasl.exchange import Challenge, Failed, LoginExchange, Password, Plain


def test_plain_in_one_message_or_after_an_empty_challenge() -> None:
    assert Plain().receive(b"\0joe\0secret") == Password("joe", "secret")
    assert Plain().receive("Joe\0joe\0pä ss".encode()) == Password("joe", "pä ss")
    plain = Plain()
    assert plain.receive(None) == Challenge(b"")
    assert plain.receive(b"\0joe\0secret") == Password("joe", "secret")


@pytest.mark.parametrize(
    "message",
    [b"", b"joe", b"\0joe", b"\0joe\0secret\0", b"\0\0secret", b"\0joe\0", b"\0\xff\0secret", b"\0a\0" + b"b" * 7000],
)
def test_what_is_no_message_of_plain_fails(message: bytes) -> None:
    assert isinstance(Plain().receive(message), Failed)


def test_nobody_acts_for_another() -> None:
    step = Plain().receive(b"ann\0joe\0secret")
    assert isinstance(step, Failed)
    assert not step.malformed


def test_login_asks_twice_or_once() -> None:
    login = LoginExchange()
    assert login.receive(None) == Challenge(b"Username:")
    assert login.receive(b"joe") == Challenge(b"Password:")
    assert login.receive(b"secret") == Password("joe", "secret")
    login = LoginExchange()
    assert login.receive(b"joe") == Challenge(b"Password:")  # Outlook sends the name with the command
    assert isinstance(login.receive(b""), Failed)
    assert isinstance(LoginExchange().receive(b"\xff"), Failed)
