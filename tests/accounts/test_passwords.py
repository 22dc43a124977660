from __future__ import annotations

import pytest
from passlib.context import CryptContext

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.model.errors import Refused


def test_argon2id_with_19_mib_two_passes_one_lane() -> None:
    passwords = Passwords()
    hashed = passwords.hash("secret")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify("secret", hashed)
    assert not passwords.verify("Secret", hashed)


def test_an_umlaut_is_the_same_however_the_client_composes_it() -> None:
    passwords = Passwords("pbkdf2_sha256")
    assert passwords.verify("mu\u0308ller\u00a01", passwords.hash("m\u00fcller 1"))


def test_hashes_of_an_earlier_scheme_go_on_to_verify() -> None:
    old = Passwords("pbkdf2_sha256").hash("secret")
    assert Passwords().verify("secret", old)


@pytest.mark.parametrize("password", ["", "x" * 1025, "a\0b", "a\ud800"])
def test_what_cannot_be_a_password_is_refused_and_never_right(password: str) -> None:
    passwords = Passwords("pbkdf2_sha256")
    with pytest.raises(Refused):
        passwords.hash(password)
    assert not passwords.verify(password, passwords.hash("x"))


@pytest.mark.parametrize("password", ["", "x" * 1025, "a\0b", "a\ud800"])
def test_what_cannot_be_a_password_takes_as_long_as_what_is_wrong(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow: list[object] = []
    monkeypatch.setattr(CryptContext, "dummy_verify", lambda self: slow.append(self))
    passwords = Passwords("pbkdf2_sha256")
    assert not passwords.verify(password, passwords.hash("x"))
    assert not passwords.verify(password, "")
    assert len(slow) == 2


def test_a_hash_that_nobody_can_read_is_never_right() -> None:
    assert not Passwords("pbkdf2_sha256").verify("secret", "plain text")
    assert not Passwords("pbkdf2_sha256").verify("secret", "")


def test_a_hash_is_outdated_when_its_scheme_or_its_cost_is_not_the_configured_one() -> None:
    old = Passwords("pbkdf2_sha256").hash("secret")
    assert Passwords().outdated(old)
    assert not Passwords("pbkdf2_sha256").outdated(old)
    assert Passwords().outdated("$argon2id$v=19$m=1024,t=1,p=1$" + Passwords().hash("secret").partition("p=1$")[2])
    assert not Passwords().outdated("")
    assert not Passwords().outdated("plain text")
