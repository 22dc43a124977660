"""The lines of AUTH (RFC 4954). What a mechanism says in them is in `protocols/sasl/`."""

from __future__ import annotations

import base64

from mpcontinuity.protocols.smtp.command import BadCommand, base64_strict
from mpcontinuity.protocols.smtp.events import Auth, AuthAnswer


def begin(argument: str, mechanisms: tuple[str, ...]) -> Auth:
    """Reads what follows ``AUTH``. Raises BadCommand."""
    mechanism, _, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    if mechanism not in mechanisms:
        raise BadCommand(504, "5.5.4", f"Mechanisms: {' '.join(mechanisms)}")
    initial = initial.strip()
    if not initial:
        return Auth(mechanism, None)
    return Auth(mechanism, b"" if initial == "=" else base64_strict(initial.encode()))


def answer(line: bytes) -> AuthAnswer:
    """Reads the client's answer to a challenge. Raises BadCommand, also where the client gives up."""
    if line == b"*":
        raise BadCommand(501, "5.7.0", "Authentication cancelled")
    return AuthAnswer(base64_strict(line))


def challenge(text: bytes) -> bytes:
    """Returns a challenge as it is sent."""
    return b"334 " + base64.b64encode(text) + b"\r\n"
