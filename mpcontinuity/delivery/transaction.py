"""What whoever takes mail for delivery is asked, between MAIL and the reply to the message (RFC 5321 §3.3).

The SMTP doors ask it, and webmail, which sends what a user writes, lies below them: so the question stands here, with
those who answer it: `incoming.Incoming` for mail to our domains, `outward.Outward` for what users and home servers
send to the world, and `from_home.ByFirstRecipient` where the first recipient tells which of them it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mpcontinuity.accounts.users import User
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply


class MailTransaction(Protocol):
    """One mail transaction, from MAIL to the reply to the message.

    The caller makes one call at a time and awaits it; only `abandon` and `lost` may come while another is under way.
    """

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        """Returns the reply to RCPT, which may have been asked of the home server."""
        ...

    def begin(self) -> Reply:
        """Returns the reply to DATA: 354, or why no message is taken."""
        ...

    def write(self, data: bytes) -> None:
        """Takes the next octets of the message as they arrived, the dots of DATA undone."""
        ...

    def bare_line_ends(self) -> Reply | None:
        """Is called before `end` where the message came by BDAT and has a bare CR or LF.

        Returns None where that may be passed on, or else the reply that refuses it.
        """
        ...

    async def end(self, fault: Reply | None) -> Reply:
        """Returns the reply to the complete message, which is positive only once the message is durable.

        ``fault`` is the reply that refuses a message of which a part was dropped; the transaction ends with it.
        """
        ...

    def abandon(self) -> None:
        """Gives the transaction up before its message is complete, also while `recipient` is awaited. Nothing remains
        of it."""
        ...

    def on_its_way(self, look: Callable[[], None]) -> None:
        """Is told that a positive reply to the message is being written.

        ``look`` makes the caller see whether that reply has arrived; if so it calls `went_on` at once.
        """
        ...

    def went_on(self) -> None:
        """Is told that the client has read the reply to its message, as far as anybody can tell."""
        ...

    def lost(self) -> None:
        """Is told that the client cannot have read the reply, or that nobody knows: it may send the message again."""
        ...


class UserTransaction(MailTransaction, Protocol):
    """The mail transaction of a user who has logged in, or of a home server that sends for its users."""

    async def sender(self) -> Reply:
        """Returns the reply to MAIL: whether the user may send now, and by that reverse path."""
        ...


# What begins a transaction at MAIL. Both raise Temporary where no message can be taken now.
BeginIncoming = Callable[[Client, Address | None, MailParameters], MailTransaction]
BeginSubmission = Callable[[Client, User, Address | None, MailParameters], UserTransaction]
