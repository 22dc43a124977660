"""What the door asks of whoever handles a transaction: `delivery.incoming.Incoming` on port 25 without AUTH, and
`delivery.submission.Submission` after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mpcontinuity.accounts.users import User
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply


class Transaction(Protocol):
    """From MAIL to the reply to the message. The door makes one call at a time, `abandon` and `lost` excepted."""

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply: ...

    def begin(self) -> Reply:
        """DATA: 354, or why not."""
        ...

    def write(self, data: bytes) -> None: ...

    def bare_line_ends(self) -> Reply | None:
        """Before `end`: the message came by BDAT and has a bare CR or LF. None, or why that will not do."""
        ...

    async def end(self, fault: Reply | None) -> Reply: ...

    def abandon(self) -> None:
        """Nothing remains. Also while `recipient` is under way."""
        ...

    def on_its_way(self, look: Callable[[], None]) -> None:
        """A positive answer to the message is being written. ``look`` has the door see whether it has arrived: then
        `went_on` is called.
        """
        ...

    def went_on(self) -> None:
        """The client has read the answer to its message, as far as anybody can tell."""
        ...

    def lost(self) -> None:
        """It cannot have, or nobody knows; it may send the message again."""
        ...


# Raises Temporary where no message can be taken now.
Begin = Callable[[Client, Address | None, MailParameters], Transaction]


class Submitting(Transaction, Protocol):
    """Of a user."""

    async def sender(self) -> Reply:
        """The answer to MAIL."""
        ...


# Raises Temporary where no message can be taken now.
Submit = Callable[[Client, User, Address | None, MailParameters], Submitting]
