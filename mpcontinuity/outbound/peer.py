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
    holds: float  # seconds that a message may hold up a client who waits for it
    late: float  # seconds that a late reply to a message is waited for; 0: not at all
    asks_again: bool  # whether an answer that may be about the session is asked for once more, on a fresh one

    def observe(self, observation: Observation, reason: str = "") -> None:
        """Is told what happened to the server as such."""
        ...

    def throttled(self, reason: str) -> None:
        """Is told that it closes a session while it serves others of ours."""
        ...

    def balked(self, result: Outcome) -> bool:
        """Returns whether it puts off more than one message, as a server does that has a limit and has just served
        others."""
        ...

    def put_off(self, message: tuple[str, ...], reason: str, *, redelivered: bool) -> None:
        """Is told that it did not take a message, for a reason that holds for all of ours. ``message`` are its sender
        and recipients, by which it is known when it is tried again; ``redelivered``: it came from the flush."""
        ...

    def answered(self, mailboxes: frozenset[str]) -> None:
        """Is told that it took or refused a message for these mailboxes."""
        ...

    def slow(
        self, mailboxes: frozenset[str], began: float, asked: float, reason: str, *, answers: bool = False
    ) -> None:
        """Is told that it did not answer a message for these mailboxes.

        Its transaction got its session at ``began``, and its final dot went at ``asked``, in seconds of the timer.
        ``answers``: it has answered before, and the message has waited for long enough.
        """
        ...

    def sender_failed(self, session: Session, reverse_path: Address | None, result: Outcome) -> None:
        """Is given a session, on which MAIL got a 4xx, to find out what that says about the server itself."""
        ...

    def recipient_taken(self, address: Address) -> None:
        """Is told that it took this recipient."""
        ...

    def recipient_failed(self, address: Address, result: Outcome) -> None:
        """Is told that it ended a session, or fell silent, when it was asked for this recipient."""
        ...

    def ended(self, transaction: object) -> None:
        """Is told that the transaction, which is known by its identity alone, takes no more commands."""
        ...

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Does work that nobody waits for."""
        ...
