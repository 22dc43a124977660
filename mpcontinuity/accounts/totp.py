"""Codes of six digits that change every 30 seconds: TOTP (RFC 6238), as every authenticator computes them.

The parameters are those that authenticators take where none are said: HMAC-SHA-1, six digits, 30 seconds. What is kept
of an administrator's second factor is in accounts/second_factor.py, of a user's in accounts/user_factors.py.
"""

from __future__ import annotations

import base64
import hmac
from typing import Final
from urllib.parse import quote, urlencode

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.randomness import Randomness

DIGITS: Final = 6
_PERIOD: Final = 30 * SECOND
_DRIFT: Final = 1  # steps to either side, for clocks that are not right and codes that are typed slowly (RFC 6238 §5.2)
_SECRET_OCTETS: Final = 20  # RFC 4226 §4 R6


def secret(randomness: Randomness) -> str:
    """Returns a new secret in base32, 32 letters and digits, as authenticators take it."""
    return base64.b32encode(randomness.bytes(_SECRET_OCTETS)).decode()


def step_of(time: int) -> int:
    """Returns the number of the step of 30 s that a time in µs is in, counted since 1970 (RFC 6238 §4.2)."""
    return time // _PERIOD


def code(secret: str, step: int) -> str:
    """Returns the code of a step: an HOTP value (RFC 4226 §5.3) of six digits."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_with(secret: str, given: str, time: int) -> int | None:
    """Returns the step whose code ``given`` is, that of ``time`` (µs) or its neighbour; None where it is of neither."""
    now, found = step_of(time), None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if hmac.compare_digest(code(secret, step), given):  # all are compared, so that the time tells nothing
            found = step
    return found


def uri(secret: str, name: str, issuer: str) -> str:
    """Returns what a QR code for authenticators holds.

    The format is https://github.com/google/google-authenticator/wiki/Key-Uri-Format.
    """
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"
