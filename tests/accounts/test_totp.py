from __future__ import annotations

import base64

import pytest

from mpcontinuity.accounts import totp
from mpcontinuity.model.clock import SECOND
from tests.fakes.clock import SeededRandomness

SECRET = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238 Appendix B, the last six of its eight digits
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code(SECRET, totp.step_of(seconds * SECOND)) == code


def test_a_code_is_good_in_its_step_and_in_the_ones_beside_it() -> None:
    now = 1111111111 * SECOND
    step = totp.step_of(now)
    found = [totp.step_with(SECRET, totp.code(SECRET, step + drift), now) for drift in range(-3, 4)]
    assert found == [None, None, step - 1, step, step + 1, None, None]


@pytest.mark.parametrize("given", ["", "0", "05047", "0504711", "\0", "x" * 10_000])
def test_what_is_no_code_is_of_no_step(given: str) -> None:
    assert totp.step_with(SECRET, given, 1111111111 * SECOND) is None


def test_secrets_are_long_and_their_uri_is_what_authenticators_read() -> None:
    fresh = totp.secret(SeededRandomness())
    assert len(base64.b32decode(fresh)) == 20
    assert totp.uri("ABC", "anna@a.org", "mail a.org") == (
        "otpauth://totp/mail%20a.org:anna%40a.org?secret=ABC&issuer=mail%20a.org"
    )
