"""What home's answer to a redelivery is about: the message, one mailbox, or us."""

from __future__ import annotations

import re

from mpcontinuity.model.reply import Outcome, Stage, Verdict

# RFC 4954 §6, RFC 3207 §4: what is asked for is authentication or TLS, which no message can help.
_AUTHENTICATION = frozenset({530, 535, 538})
_US = re.compile(
    r"\brelay|client host|blocked using|sending ip|banned|your (?:ip|host|server|network)|not authori[sz]ed to send",
    re.IGNORECASE,
)


def concerns_us(outcome: Outcome) -> bool:
    """A refusal that every message of ours would meet: the flush pauses and fails no mail (contract 'Recovery')."""
    reply = outcome.reply
    if reply is None or not reply.permanent:
        return False
    if outcome.verdict is Verdict.TEMPORARY:  # a 5xx that outbound does not lay on the message: greeting, EHLO, MAIL
        return True
    if reply.code in _AUTHENTICATION:
        return True
    # RFC 3463 §3.8: 5.7.x is policy. It is about us where it speaks of relaying or of where the message comes from.
    return (not reply.enhanced or reply.enhanced.startswith("5.7.")) and _US.search(reply.text) is not None


def throttles(outcome: Outcome) -> bool:
    """Whether home, or the way to it, is the reason rather than one mailbox.

    A 4xx to RCPT is about that mailbox, unless it is of the classes for systems, networks and policy (RFC 3463 §3).
    """
    reply = outcome.reply
    if reply is None or outcome.stage is not Stage.RCPT or reply.code == 421:
        return True
    return reply.enhanced.startswith(("4.3.", "4.4.", "4.7."))
