"""What the server's engine tells the door. One that ``waits`` must be answered by ``ServerEngine.reply``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, or HELO where not ``extended``; answered. It ends a transaction, as Reset does."""

    waits: ClassVar[bool] = False
    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM; ``address`` is None for the null sender."""

    waits: ClassVar[bool] = True
    address: Address | None
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO. ``<Postmaster>`` without a domain comes with the server's own name (RFC 5321 §4.5.1)."""

    waits: ClassVar[bool] = True
    address: Address
    parameters: RcptParameters


@dataclass(frozen=True, slots=True)
class Data:
    """DATA with at least one recipient; answered by 354 or an error."""

    waits: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the message as it arrived, dots undone."""

    waits: ClassVar[bool] = False
    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfData:
    """The message is complete. With a ``fault`` part of it was dropped, and the door must refuse it with that."""

    waits: ClassVar[bool] = True
    fault: Reply | None
    size: int  # octets of content, dropped ones included


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH with a mechanism that is offered. Answered by 235 or an error, or by ``ServerEngine.challenge``."""

    waits: ClassVar[bool] = True
    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """The client's answer to a challenge."""

    waits: ClassVar[bool] = True
    answer: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The client sent ``*``, or no base64, instead of an answer; answered."""

    waits: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class StartTls:
    """220 is in ``to_send``: send it, start TLS, then call ``ServerEngine.tls_started``."""

    waits: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET, answered: the transaction is gone."""

    waits: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Send ``to_send`` and close. The reason is ``QUIT`` or one for the log."""

    waits: ClassVar[bool] = False
    reason: str


Event = (
    Hello | Mail | Rcpt | Data | Chunk | EndOfData | Auth | AuthAnswer | AuthCancelled | StartTls | Reset | Disconnect
)
