"""What the engine tells the door. Each event but Disconnect waits for ``ok``, ``error`` or a listing."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Capa(msgspec.Struct, frozen=True):
    """CAPA (RFC 2449). The door knows what can be done now."""

    waits: ClassVar[bool] = True


class StartTls(msgspec.Struct, frozen=True):
    """STLS. The door sends ``to_send``, which has +OK, starts TLS, and calls ``ServerEngine.tls_started``."""

    waits: ClassVar[bool] = False


class Pass(msgspec.Struct, frozen=True):
    """USER and PASS. It is answered by ``ServerEngine.logged_in`` or an error."""

    waits: ClassVar[bool] = True
    name: str
    password: str


class Auth(msgspec.Struct, frozen=True):
    """AUTH (RFC 5034). It is answered like Pass, or by ``ServerEngine.challenge``."""

    waits: ClassVar[bool] = True
    mechanism: str  # in capitals; empty: which are there?
    initial: bytes | None


class AuthAnswer(msgspec.Struct, frozen=True):
    """The client's answer to a challenge; None where it gave up."""

    waits: ClassVar[bool] = True
    data: bytes | None


class Utf8(msgspec.Struct, frozen=True):
    """UTF8 (RFC 6856 §2), which may come before the login only."""

    waits: ClassVar[bool] = True


class Stat(msgspec.Struct, frozen=True):
    """STAT: asks how many messages there are, and how large they are together."""

    waits: ClassVar[bool] = True


class List(msgspec.Struct, frozen=True):
    """LIST: asks for the size of message ``number``, or of all messages where it is 0."""

    waits: ClassVar[bool] = True
    number: int


class Uidl(msgspec.Struct, frozen=True):
    """UIDL: asks for the unique id of message ``number``, or of all messages where it is 0."""

    waits: ClassVar[bool] = True
    number: int


class Retr(msgspec.Struct, frozen=True):
    """RETR, or TOP with so many ``lines`` of the body; -1 stands for the whole message."""

    waits: ClassVar[bool] = True
    number: int
    lines: int


class Dele(msgspec.Struct, frozen=True):
    """DELE: marks a message as deleted."""

    waits: ClassVar[bool] = True
    number: int


class Rset(msgspec.Struct, frozen=True):
    """RSET: takes all marks away."""

    waits: ClassVar[bool] = True


class Quit(msgspec.Struct, frozen=True):
    """QUIT. Its answer closes the connection.

    ``update`` is true in the transaction state, where marked messages are to be deleted now.
    """

    waits: ClassVar[bool] = True
    update: bool


class Disconnect(msgspec.Struct, frozen=True):
    """The door is to send ``to_send`` and to close. No marked message is deleted.

    The reason is ``QUIT``, or a text for the log.
    """

    waits: ClassVar[bool] = False
    reason: str


Event = Capa | StartTls | Pass | Auth | AuthAnswer | Utf8 | Stat | List | Uidl | Retr | Dele | Rset | Quit | Disconnect
