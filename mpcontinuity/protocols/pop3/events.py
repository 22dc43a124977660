"""What the engine tells the door. Each waits for ``ok``, ``error`` or a listing, but for Disconnect."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Capa(msgspec.Struct, frozen=True):
    """RFC 2449. The door knows what can be done now."""

    waits: ClassVar[bool] = True


class StartTls(msgspec.Struct, frozen=True):
    """STLS; +OK is in ``to_send``: send it, start TLS, then call ``ServerEngine.tls_started``."""

    waits: ClassVar[bool] = False


class Pass(msgspec.Struct, frozen=True):
    """USER and PASS. Answered by ``ServerEngine.logged_in`` or an error."""

    waits: ClassVar[bool] = True
    name: str
    password: str


class Auth(msgspec.Struct, frozen=True):
    """AUTH (RFC 5034). Answered like Pass, or by ``ServerEngine.challenge``."""

    waits: ClassVar[bool] = True
    mechanism: str  # in capitals; empty: which are there?
    initial: bytes | None


class AuthAnswer(msgspec.Struct, frozen=True):
    """The client's answer to a challenge; None where it gave up."""

    waits: ClassVar[bool] = True
    data: bytes | None


class Utf8(msgspec.Struct, frozen=True):
    """RFC 6856 §2: before the login or after it."""

    waits: ClassVar[bool] = True


class Stat(msgspec.Struct, frozen=True):
    waits: ClassVar[bool] = True


class List(msgspec.Struct, frozen=True):
    """LIST; ``number`` 0: all."""

    waits: ClassVar[bool] = True
    number: int


class Uidl(msgspec.Struct, frozen=True):
    """UIDL; ``number`` 0: all."""

    waits: ClassVar[bool] = True
    number: int


class Retr(msgspec.Struct, frozen=True):
    """RETR, or TOP with so many ``lines`` of the body; -1: the whole message."""

    waits: ClassVar[bool] = True
    number: int
    lines: int


class Dele(msgspec.Struct, frozen=True):
    waits: ClassVar[bool] = True
    number: int


class Rset(msgspec.Struct, frozen=True):
    waits: ClassVar[bool] = True


class Quit(msgspec.Struct, frozen=True):
    """``update``: from the transaction state, so that what was marked goes now. Its answer closes."""

    waits: ClassVar[bool] = True
    update: bool


class Disconnect(msgspec.Struct, frozen=True):
    """Send ``to_send`` and close. The reason is ``QUIT`` or one for the log. Nothing that was marked goes."""

    waits: ClassVar[bool] = False
    reason: str


Event = Capa | StartTls | Pass | Auth | AuthAnswer | Utf8 | Stat | List | Uidl | Retr | Dele | Rset | Quit | Disconnect
