"""What a mail transaction needs of the server at the other end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from mpcontinuity.model.address import Address
from mpcontinuity.model.reply import Outcome
from mpcontinuity.model.settings import Home
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.pool import Pool
from mpcontinuity.outbound.session import Session
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Observation


class Peer(Protocol):
    """The server at the other end: a home server, or a host of the world."""

    pool: Pool
    settings: Home  # timeouts
    timer: Timer
    offers: Offers  # of the last EHLO
    title: str  # as our own replies call it
    patience: float  # seconds that a transaction waits for a session
    late: float  # seconds that a late reply to a message is waited for; 0: not at all
    asks_again: bool  # whether an answer that may be about the session is asked for once more, on a fresh one

    def observe(self, observation: Observation, reason: str = "") -> None: ...

    def throttled(self, reason: str) -> None:
        """It closes a session while it serves others of ours."""
        ...

    def balked(self, result: Outcome) -> bool:
        """Whether it puts off more than one message, as a server does that has a limit and has just served others."""
        ...

    def answered(self, mailboxes: frozenset[str]) -> None:
        """It took or refused a message for these mailboxes."""
        ...

    def slow(self, mailboxes: frozenset[str], began: float, asked: float, reason: str) -> None:
        """It did not answer a message for these mailboxes, whose transaction got its session at ``began`` and whose
        final dot went at ``asked``, in seconds of the timer."""
        ...

    def sender_failed(self, session: Session, reverse_path: Address | None, result: Outcome) -> None:
        """A 4xx to MAIL on this session, which is the peer's now: what that says about the server itself."""
        ...

    def recipient_taken(self, address: Address) -> None: ...

    def recipient_failed(self, address: Address, result: Outcome) -> None:
        """It ended a session, or fell silent, when it was asked for this one."""
        ...

    def ended(self, transaction: object) -> None:
        """The transaction, which is known by its identity alone, takes no more commands."""
        ...

    def background(self, work: Coroutine[Any, Any, None]) -> None: ...
