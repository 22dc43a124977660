"""The reply to a message that comes after the message was redirected."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.peer import Peer
from mpcontinuity.outbound.session import Lost, Response, Session, within
from mpcontinuity.protocols.smtp.client import outcome


def late_reply(peer: Peer, session: Session, response: Response, mailboxes: frozenset[str]) -> Deferred[Outcome]:
    """Returns a Deferred that fires with the late answer to a message for these mailboxes, or as doubtful as it was
    where none comes within ``peer.late`` seconds. The session is closed then."""
    never = Lost(f"{session.host} did not answer within {peer.late:g} s", silent=True)

    def answered(answer: Reply | Lost) -> Outcome:
        peer.pool.answered_late(session)
        if isinstance(answer, Lost):
            session.abort()
            return Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, answer.reason)
        session.quit()
        peer.answered(mailboxes)  # it was slow, not away (design 12)
        return outcome(Stage.MESSAGE, answer)

    return within(peer.timer, response, peer.late, never).addCallback(answered)
