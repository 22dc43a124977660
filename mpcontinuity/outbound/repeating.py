"""Asks once more, on a fresh session, where an answer may be about the session that got it.

Nothing is concluded from such an answer before.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.capacity import of_session
from mpcontinuity.outbound.peer import Peer
from mpcontinuity.outbound.session import Session

MOST_REPEATS = 3  # fresh sessions that one transaction may ask for
RESTED = 1.0  # seconds: a session that waited longer may be closed for its age, which says nothing of what it bears


@dataclass(frozen=True, slots=True)
class Again:
    """An answer that is to be asked for again."""

    outcome: Outcome
    served: int  # transactions of that session before
    tainted: bool
    rested: bool  # the session had waited


class Repeating:
    """The repeats of one transaction. ``again`` is set where it is to be repeated."""

    def __init__(self, peer: Peer) -> None:
        self.again: Again | None = None
        self._peer = peer
        self._repeats = 0
        self._rested = 0.0

    def begins(self, session: Session) -> None:
        """Notes that the transaction begins in this session."""
        session.served += 1
        self._rested = self._now() - session.used_until

    def goes_on(self, session: Session) -> None:
        """Notes that the transaction goes on in this session, with the message."""
        self._rested = max(self._rested, self._now() - session.heard)

    def answered(self, session: Session, result: Outcome) -> bool:
        """Returns whether what a session that lives on has answered is to be asked of a fresh one."""
        if not self._peer.asks_again or self._repeats >= MOST_REPEATS:
            return False
        if not of_session(result, used=session.served > 1, tainted=session.tainted):
            return False
        if self._peer.pool.capacity.in_vain(result, session.tainted, self._now()):
            return False
        self._note(session, result)
        return True

    def closed(self, session: Session, result: Outcome, *, waited: bool = False) -> bool:
        """Returns the same of a session that the server closes. ``waited``: it did so while the client talked."""
        if self._repeats >= MOST_REPEATS or not (session.served > 1 or (waited and not self._repeats)):
            return False
        if self._rested >= RESTED:
            self._peer.pool.close_idle()  # they are as old
        self._note(session, result)
        return True

    def learn(self, before: Again, result: Outcome) -> None:
        """Learns from what the fresh session answered."""
        capacity = self._peer.pool.capacity
        if result.verdict is not Verdict.ACCEPTED:
            capacity.fresh_refused(before.outcome, before.tainted, self._now())
        elif not before.rested:
            capacity.fresh_took(before.outcome, before.served, before.tainted, self._now())

    def _note(self, session: Session, result: Outcome) -> None:
        self._repeats += 1
        self.again = Again(result, session.served - 1, session.tainted, self._rested >= RESTED)

    def _now(self) -> float:
        return self._peer.timer.seconds()
