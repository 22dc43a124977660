"""One exchange of a mechanism: messages of the client in, and what the door must do next out.

The door decodes base64, sends challenges, checks passwords and looks up keys. Nothing here knows users or sockets.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

# Octets of a client's message. RFC 4616 §2 grants 255 to identity, name and password each, but passwords of 1,024
# characters are allowed here (accounts/passwords.py), in up to four octets each; SCRAM's messages are shorter.
LONGEST = 6144


class Challenge(msgspec.Struct, frozen=True):
    """The door must send this; the client's answer goes to ``Exchange.receive``."""

    data: bytes


class Password(msgspec.Struct, frozen=True):
    """The door must check this password, which ends the exchange."""

    name: str
    password: str


class Lookup(msgspec.Struct, frozen=True):
    """The door must call ``Scram.found`` with the keys of this user, or with those of nobody."""

    name: str


class Proven(msgspec.Struct, frozen=True):
    """The client knows a password of ``name``.

    ``data`` is the last challenge, which the client answers by nothing. ``which`` is the place of the keys that were
    proved, among those that ``Scram.found`` was given.
    """

    name: str
    data: bytes
    which: int = 0


class Failed(msgspec.Struct, frozen=True):
    """The client was not understood, or has not proven that it knows the password.

    ``malformed`` is true for a mistake, false for a wrong password. ``reason`` is fit for a log.
    """

    reason: str
    malformed: bool = True


Step = Challenge | Password | Lookup | Proven | Failed


class Exchange(Protocol):
    """An exchange of one mechanism with a client."""

    def receive(self, message: bytes | None) -> Step:
        """Takes the client's next message, or None where it began without an initial response."""
        ...


class Plain:
    """RFC 4616: authorization identity, name and password, with NUL between them, in one message."""

    def receive(self, message: bytes | None) -> Step:
        if message is None:
            return Challenge(b"")
        try:
            identity, name, password = _text(message).split("\0")
        except ValueError:
            return Failed("no message of PLAIN")
        return _password(identity, name, password)


class LoginExchange:
    """The mechanism that Outlook asks for: name and password each behind a prompt; never standardised."""

    def __init__(self) -> None:
        self._name: str | None = None

    def receive(self, message: bytes | None) -> Step:
        if message is None:
            return Challenge(b"Username:")
        try:
            text = _text(message)
        except ValueError:
            return Failed("no UTF-8")
        if self._name is None:
            self._name = text
            return Challenge(b"Password:")
        return _password("", self._name, text)


def may_act_as(identity: str, name: str) -> bool:
    """Returns whether ``name`` may act as ``identity``: nobody may act for another here."""
    return not identity or identity.lower() == name.lower()


def _password(identity: str, name: str, password: str) -> Step:
    if not name or not password:
        return Failed("an empty name or password")
    if not may_act_as(identity, name):
        return Failed("nobody acts for another here", malformed=False)
    return Password(name, password)


def _text(message: bytes) -> str:
    """Raises ValueError."""
    if len(message) > LONGEST:
        raise ValueError("too long")
    return message.decode("utf-8")
