"""Whether a failed attempt is the fault of the home server or of one mailbox. Pure.

What a 5xx is about, and so whether the message fails, is judged by routing/refusal.py.
"""

from __future__ import annotations

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.routing.refusal import bans_us

# So far a failure is that of the server, whoever the mail is for.
_BEFORE_RECIPIENTS = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL})
_GREYLISTS = ("greylist", "graylist", "grey-list", "gray-list", "grey list", "gray list")


def throttles(outcome: Outcome) -> bool:
    """Returns whether home, or the way to it, is the reason of a failure, so that a flush had better go slower.

    A 4xx to RCPT is about that mailbox, unless it is of the classes for systems, networks and policy (RFC 3463 §3).
    Greylisting is about one sender and recipient, and over when they are tried again: to go slower helps nobody.
    """
    reply = outcome.reply
    if reply is None or reply.code == 421:
        return True
    if _greylists(reply):
        return False
    if outcome.stage is not Stage.RCPT:
        return True
    return reply.enhanced.startswith(("4.3.", "4.4.", "4.7."))


def puts_off_all(outcome: Outcome) -> bool:
    """Returns whether a reply to a message, or to its recipient, says that the server takes none, or none of ours.

    That are 4xx of the classes for mail systems and networks (RFC 3463 §3.4, §3.5), but congestion, which is a limit;
    and a 5xx that bans us. Greylisting is about one sender and recipient, whatever class it comes in: else three
    strangers who write in a quiet hour would bring the server down.
    """
    reply = outcome.reply
    if reply is None or _greylists(reply):
        return False
    system = reply.enhanced.startswith(("4.3.", "4.4.")) and reply.enhanced != "4.4.5"
    return (reply.temporary and system) or bans_us(reply)


def _greylists(reply: Reply) -> bool:
    text = reply.text.lower()
    return reply.temporary and any(word in text for word in _GREYLISTS)


def closes(outcome: Outcome) -> bool:
    """Returns whether home ended the session: by 421, by silence or by hanging up.

    Silence after the final dot is no end: home may just be slow, and the outcome is DOUBTFUL.
    """
    if outcome.reply is not None:
        return outcome.reply.code == 421
    return outcome.verdict is Verdict.FAILED


def concerns_recipient(outcome: Outcome) -> bool:
    """Returns whether home knew the recipient when it failed, so that the fault may be that mailbox's alone."""
    return outcome.stage not in _BEFORE_RECIPIENTS
