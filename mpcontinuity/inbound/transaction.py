"""What the door asks of whoever handles a transaction: `delivery.incoming.Incoming` on port 25 without AUTH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

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

    async def end(self, fault: Reply | None) -> Reply: ...

    def abandon(self) -> None:
        """Nothing remains. Also while `recipient` is under way."""
        ...

    def went_on(self) -> None:
        """The client has read the answer to its message."""
        ...

    def lost(self) -> None:
        """It may not have."""
        ...


# Raises Temporary where no message can be taken now.
Begin = Callable[[Client, Address | None, MailParameters], Transaction]
