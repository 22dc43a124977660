"""The mail transactions of one SMTP connection: which stages one passes, and what may follow each."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

from twisted.python.failure import Failure

from mpcontinuity.delivery.transaction import MailTransaction
from mpcontinuity.inbound.receipt import Receipt
from mpcontinuity.model.reply import Reply


class Stage(enum.Enum):
    """How far a connection's mail transaction has come (RFC 5321 §3.3)."""

    NONE = "there is none"
    BEGUN = "MAIL was answered 250: RSET, EHLO, STARTTLS and the end of the connection give it up"
    COMPLETE = "the final dot has come: what becomes of the message stands, whatever becomes of the connection"


FOLLOWS: Final = {
    Stage.NONE: frozenset({Stage.BEGUN}),
    Stage.BEGUN: frozenset({Stage.NONE, Stage.COMPLETE}),
    Stage.COMPLETE: frozenset({Stage.NONE}),
}


class Transactions:
    """One transaction after the other, and whether the client has read the answer to the last one."""

    def __init__(self) -> None:
        self.stage = Stage.NONE
        self.messages = 0  # that were complete
        self.current: MailTransaction | None = None  # None in the stage NONE alone
        self._receipt: Receipt | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the last answer to a message, while nobody knows whether the client has read that."""
        if self._receipt is not None and self._receipt.settled:
            self._receipt = None
        return self._receipt

    def begin(self, transaction: MailTransaction) -> None:
        """Is told that MAIL was answered 250."""
        self._may(Stage.BEGUN)
        self.stage, self.current = Stage.BEGUN, transaction

    def abandon(self) -> None:
        """Gives up a transaction whose message is not complete; does nothing where there is none such."""
        if self.stage is Stage.BEGUN:
            transaction, self.current = self.current, None
            self.stage = Stage.NONE
            assert transaction is not None
            transaction.abandon()

    def complete(self) -> MailTransaction:
        """Returns the transaction whose final dot has come, to be asked for its reply."""
        self._may(Stage.COMPLETE)
        self.stage = Stage.COMPLETE
        self.messages += 1
        assert self.current is not None
        return self.current

    def answered(self, reply: Reply, receipt: Callable[[MailTransaction], Receipt] | None) -> None:
        """Ends the transaction whose message has its reply.

        ``receipt`` makes the receipt of that answer; it is None where the client can get no answer any more.
        """
        self._may(Stage.NONE)
        transaction, self.current = self.current, None
        self.stage = Stage.NONE
        assert transaction is not None
        if receipt is None:
            transaction.lost()
        elif reply.positive:
            if self._receipt is not None:  # a client that sends the next message without reading answers
                self._receipt.give_up()
            self._receipt = receipt(transaction)

    def went_on(self) -> None:
        """Is told that the client has sent something since the last answer, and so has read it."""
        if self._receipt is not None:
            self._receipt.read()
            self._receipt = None

    def lost(self, reason: Failure) -> None:
        """Is told that the connection is gone. A message that is complete still gets its reply."""
        if self._receipt is not None:
            self._receipt.end(reason)
            self._receipt = None
        self.abandon()

    def _may(self, stage: Stage) -> None:
        if stage not in FOLLOWS[self.stage]:
            raise RuntimeError(f"a mail transaction cannot go from {self.stage.name} to {stage.name}")
