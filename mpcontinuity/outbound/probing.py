"""What a probe asks of a home server, and what its answers say (contract 'State of a home server')."""

from __future__ import annotations

from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.opening import lost_outcome
from mpcontinuity.outbound.session import Lost, Session
from mpcontinuity.protocols.smtp.client import outcome
from mpcontinuity.routing.health import Observation

# A failure as early as this is that of the server, whoever the mail is from or for.
_EARLY = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL})
_NOT_SERVING = frozenset({421, 530, 535, 538})


def observation(outcome: Outcome) -> Observation:
    """Returns what the answer to a probe says of the server: a refusal of the sender or of RCPT is an answer as good
    as any."""
    if outcome.verdict in (Verdict.ACCEPTED, Verdict.REFUSED):
        return Observation.PROBE_GOOD
    if outcome.stage in _EARLY:
        return Observation.UNREACHABLE
    if outcome.reply is not None and outcome.reply.code not in _NOT_SERVING:
        return Observation.PROBE_GOOD
    return Observation.PROBE_BAD


async def ask(session: Session, postmaster: Address | None, recipient: Address | None, wait: float) -> Outcome:
    """Asks for MAIL FROM:<>, or from the postmaster where home does not take that, then for RCPT, where a user is
    known.

    What home thinks of the null sender is its taste, and says nothing of whether it serves.
    """
    answer = await session.reply(session.mail(None, MailParameters()), wait)
    if postmaster is not None and _may_be_taste(answer):
        other = await session.reply(session.mail(postmaster, MailParameters()), wait)
        # To one that puts off both, and to one that puts off all but what it refuses, no mail gets through.
        if _is(Verdict.REFUSED, answer) or _is(Verdict.ACCEPTED, other):
            answer = other
    stage = Stage.MAIL
    if recipient is not None and isinstance(answer, Reply) and answer.positive:
        stage, answer = Stage.RCPT, await session.reply(session.rcpt(recipient, RcptParameters()), wait)
    return lost_outcome(stage, answer) if isinstance(answer, Lost) else outcome(stage, answer)


def _may_be_taste(answer: Reply | Lost) -> bool:
    """Whether it is a refusal, or a 4xx, after which the session goes on."""
    return isinstance(answer, Reply) and answer.code >= 400 and answer.code not in _NOT_SERVING


def _is(verdict: Verdict, answer: Reply | Lost) -> bool:
    return isinstance(answer, Reply) and outcome(Stage.MAIL, answer).verdict is verdict
