"""What home's answer to a redelivery means for the pace of the flush (what a 5xx is about: routing/refusal.py)."""

from __future__ import annotations

from mpcontinuity.model.reply import Outcome, Stage, Verdict

# So far a failure is that of the server, whoever the mail is for.
_BEFORE_RECIPIENTS = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL})


def throttles(outcome: Outcome) -> bool:
    """Whether home, or the way to it, is the reason rather than one mailbox.

    A 4xx to RCPT is about that mailbox, unless it is of the classes for systems, networks and policy (RFC 3463 §3).
    """
    reply = outcome.reply
    if reply is None or outcome.stage is not Stage.RCPT or reply.code == 421:
        return True
    return reply.enhanced.startswith(("4.3.", "4.4.", "4.7."))


def closes(outcome: Outcome) -> bool:
    """Whether home ended the session: by 421, by silence or by hanging up. After the final dot it may just be slow."""
    if outcome.reply is not None:
        return outcome.reply.code == 421
    return outcome.verdict is Verdict.FAILED


def concerns_recipient(outcome: Outcome) -> bool:
    """Whether it came when home knew for whom the message is, so that it may be that mailbox's fault alone."""
    return outcome.stage not in _BEFORE_RECIPIENTS
