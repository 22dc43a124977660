"""What is known of one inbound message: who sends it, to whom, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import Address
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.routing.decision import Decision, Recipient
from mpcontinuity.tracking.record import INBOUND, NewRow


class Client(msgspec.Struct, frozen=True):
    """The SMTP client that talks to the door."""

    peer: str  # IP address
    helo: str
    protocol: str  # of Received: SMTP | ESMTP | ESMTPS (RFC 3848)
    session: str  # for logs


_PLAIN = RcptParameters()
_UNKNOWN = Recipient()


@dataclass(slots=True)
class Taken:
    """A recipient that was answered 250, or is about to be. Nothing changes in it once its message is being settled."""

    address: Address
    decision: Decision
    parameters: RcptParameters = _PLAIN
    domain: int = 0  # 0: the server's own postmaster
    user: User | None = None  # registered
    known: Recipient = _UNKNOWN
    because: str = ""  # why home was not tried or does not serve; empty where it took the recipient
    attempts: tuple[TrackingEvent, ...] = ()  # what home answered at RCPT, where that matters
    owed: int = 0  # the id that home is shown of it alone, and of the owed row if there is to be one
    shown: str = ""  # the id that home was shown before, where it is another recipient's: one stands for all of them
    fingerprint: bytes = b""

    @property
    def account(self) -> int | None:
        """The id of the user who has the address; None: nobody has."""
        return self.user.id if self.user is not None else None


class Message(msgspec.Struct, frozen=True):
    """A complete message to our domains: what every row about it says."""

    id: int
    received: int  # µs
    reverse_path: str
    parameters: MailParameters
    retention_days: int
    subject: str
    message_id: str
    size: int  # octets as the user sees it
    taken: tuple[Taken, ...]
    direction: str = INBOUND
    owes: bool = True  # home is owed what it does not take now (source.py)

    def row(
        self,
        recipient: Taken,
        status: str,
        code: int,
        text: str,
        events: tuple[TrackingEvent, ...],
        *,
        continuity: bool = False,
        outcome: str = "",
        owed: int = 0,
    ) -> NewRow:
        """Returns the row of `tracking` for one recipient.

        ``status``, ``code``, ``text`` and ``events`` are what became of it, ``outcome`` and ``owed`` its state and id
        in the queue, and ``continuity`` says that it was put into a mailbox here.
        """
        return NewRow(
            domain=recipient.domain,
            received=self.received,
            direction=self.direction,
            status=status,
            sender=self.reverse_path,
            recipient=recipient.address.text,
            recipient_key=recipient.address.key,
            message_id=self.message_id,
            subject=self.subject,
            size=self.size,
            continuity=continuity,
            outcome=outcome,
            code=code,
            text=text,
            events=events,
            owed=owed,
        )
