"""What the server's engine tells the door. An event that ``waits`` must be answered by ``ServerEngine.reply``."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply


class Hello(msgspec.Struct, frozen=True):
    """EHLO, or HELO where not ``extended``. It is answered already, and it ends a transaction as Reset does."""

    waits: ClassVar[bool] = False
    name: str
    extended: bool


class Mail(msgspec.Struct, frozen=True):
    """MAIL FROM. ``address`` is None for the null sender."""

    waits: ClassVar[bool] = True
    address: Address | None
    parameters: MailParameters


class Rcpt(msgspec.Struct, frozen=True):
    """RCPT TO. ``<Postmaster>`` without a domain comes with the server's own name (RFC 5321 §4.5.1)."""

    waits: ClassVar[bool] = True
    address: Address
    parameters: RcptParameters


class Data(msgspec.Struct, frozen=True):
    """DATA or the first BDAT, with at least one recipient. It is answered by 354 or an error."""

    waits: ClassVar[bool] = True


class Chunk(msgspec.Struct, frozen=True):
    """A piece of the message as it arrived, with doubled dots removed."""

    waits: ClassVar[bool] = False
    data: bytes


class EndOfData(msgspec.Struct, frozen=True):
    """The message is complete, or a chunk of it has a fault.

    With a ``fault`` a part of the message was dropped, and the door must refuse it with that reply.
    """

    waits: ClassVar[bool] = True
    fault: Reply | None
    size: int  # octets of content, dropped ones included
    bare: bool = False  # it came by BDAT and has a bare CR or LF: it may go on by BDAT only


class Auth(msgspec.Struct, frozen=True):
    """AUTH with a mechanism that is offered. It is answered by 235 or an error, or by ``ServerEngine.challenge``."""

    waits: ClassVar[bool] = True
    mechanism: str
    initial: bytes | None


class AuthAnswer(msgspec.Struct, frozen=True):
    """The client's answer to a challenge."""

    waits: ClassVar[bool] = True
    answer: bytes


class AuthCancelled(msgspec.Struct, frozen=True):
    """The client sent ``*``, or no base64, instead of an answer. It is answered already."""

    waits: ClassVar[bool] = False


class Etrn(msgspec.Struct, frozen=True):
    """ETRN (RFC 1985): what waits for ``node``, a name in lower case, is to be sent; that of its ``subdomains`` too."""

    waits: ClassVar[bool] = True
    node: str
    subdomains: bool


class StartTls(msgspec.Struct, frozen=True):
    """STARTTLS. The door sends ``to_send``, which has 220, starts TLS, and calls ``ServerEngine.tls_started``."""

    waits: ClassVar[bool] = False


class Reset(msgspec.Struct, frozen=True):
    """RSET. It is answered already, and the transaction is gone."""

    waits: ClassVar[bool] = False


class Disconnect(msgspec.Struct, frozen=True):
    """The door is to send ``to_send`` and to close. The reason is ``QUIT``, or a text for the log."""

    waits: ClassVar[bool] = False
    reason: str


Event = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Chunk
    | EndOfData
    | Auth
    | AuthAnswer
    | AuthCancelled
    | Etrn
    | StartTls
    | Reset
    | Disconnect
)
