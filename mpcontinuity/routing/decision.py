"""What is done with each recipient of inbound mail: the contract's table 'What happens to a message'.

The functions here are pure. They are given all that is known, and return a decision.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.routing.refusal import bans_us


class Decision(enum.Enum):
    """What is done about one recipient. The values are written into the packs."""

    ASK = "ask"  # home is asked, and the answer decides
    PASS = "relay"  # home took it
    REDIRECT = "redirect"  # into INBOX at once, and owed
    HOLD = "hold"  # owed without a mailbox
    KEEP = "keep"  # archived for the administrators, owed to nobody
    REPLY = "reply"  # the client gets home's own reply
    DEFER = "defer"  # 451 4.4.1: the sender's server tries again
    SEPARATE = "separate"  # 452 4.5.3: the sender's server sends it by itself

    @property
    def stores(self) -> bool:
        """Whether the message is stored here and accepted although home does not have it."""
        return self in (Decision.REDIRECT, Decision.HOLD, Decision.KEEP)


class Policy(msgspec.Struct, frozen=True):
    """What matters here of the settings of a domain, at one moment."""

    continuity: bool = True
    declared: bool = False  # mode `enabled` is in force: home is not tried
    copies: bool = False  # mode `optional`: who opted in gets a copy of what home takes
    outage_only: bool = False  # redirect-on = outage
    hold: bool = False  # unregistered = hold
    contained: bool = False  # home is cut off: nothing goes there, whatever else is set


class Recipient(msgspec.Struct, frozen=True):
    """What is known of an address of the domain."""

    registered: bool = False  # a user, active or pending
    opted_in: bool = False
    taken: bool = False  # unregistered, and home took it lately
    role: bool = False  # postmaster, abuse: always taken
    drilled: bool = False  # a user for whom an outage is played


def policy_of(settings: DomainSettings, mode: str, *, contained: bool = False) -> Policy:
    """Returns the policy of a domain at a moment: ``mode`` is the one that is in force then, and ``contained`` says
    whether its home server is cut off."""
    return Policy(
        continuity=settings.continuity,
        declared=mode == "enabled",
        copies=settings.continuity and mode == "optional",
        outage_only=settings.redirect_on == "outage",
        hold=settings.unregistered == "hold",
        contained=contained,
    )


def before_asking(policy: Policy, recipient: Recipient, away: bool) -> Decision:
    """Decides at RCPT, before home is asked.

    ``away`` is true where home is known to be down, or is suspect and another message is trying it.
    """
    if not policy.continuity:
        return Decision.DEFER if away or policy.contained else Decision.ASK
    if policy.declared or policy.contained or recipient.drilled or away:
        return _continued(policy, recipient)
    return Decision.ASK


def at_recipient(policy: Policy, recipient: Recipient, outcome: Outcome, *, others_taken: bool) -> Decision:
    """Decides by what home answered to MAIL and RCPT.

    ``others_taken`` is true where home took another recipient of the same transaction before.
    """
    if outcome.verdict is Verdict.ACCEPTED:
        return Decision.PASS
    if others_taken and _too_many(outcome.reply):
        return Decision.SEPARATE
    if _refused(outcome):
        return Decision.KEEP if recipient.role else Decision.REPLY
    if policy.outage_only and not recipient.role and _concerns_message(outcome):
        return Decision.REPLY
    return _unserved(policy, recipient, outcome)


def at_message(policy: Policy, recipients: Sequence[Recipient], outcome: Outcome) -> list[Decision]:
    """Decides by what home answered to DATA or to the message, for all recipients that home had taken before.

    One reply answers for all of them. The decisions are in the order of ``recipients``.
    """
    if outcome.verdict is Verdict.ACCEPTED:
        return [Decision.PASS] * len(recipients)
    if _refused(outcome):
        return [Decision.REPLY] * len(recipients)
    # Home took the address a moment ago, which is later than any memory of it.
    decisions = [
        Decision.HOLD if policy.continuity and policy.hold and not recipient.registered else decision
        for recipient, decision in ((recipient, _unserved(policy, recipient, outcome)) for recipient in recipients)
    ]
    if any(decision.stores for decision in decisions):
        return [decision if decision.stores else Decision.HOLD for decision in decisions]
    return decisions


def copied(policy: Policy, recipient: Recipient) -> bool:
    """Returns whether a message that home took is put into the continuity INBOX as well, without being owed."""
    return policy.copies and recipient.registered and recipient.opted_in


def _refused(outcome: Outcome) -> bool:
    """Whether home refuses the message, and does not ban whoever brings it: that would be a bounce for nothing."""
    return outcome.verdict is Verdict.REFUSED and not (outcome.reply is not None and bans_us(outcome.reply))


def _unserved(policy: Policy, recipient: Recipient, outcome: Outcome) -> Decision:
    if policy.continuity:
        return _continued(policy, recipient)
    # A plain relay. 421 would announce that *we* close the connection (RFC 5321 §3.8).
    reply = outcome.reply
    return Decision.REPLY if reply is not None and reply.temporary and reply.code != 421 else Decision.DEFER


def _continued(policy: Policy, recipient: Recipient) -> Decision:
    if recipient.registered:
        return Decision.REDIRECT
    if recipient.role or (policy.hold and recipient.taken):
        return Decision.HOLD
    return Decision.DEFER


def _too_many(reply: Reply | None) -> bool:
    """RFC 5321 §4.5.3.1.10: 452, and 552 of old servers. With another enhanced code it means a full mailbox or disk."""
    return reply is not None and reply.code in (452, 552) and reply.enhanced in ("", "4.5.3", "5.5.3")


def _concerns_message(outcome: Outcome) -> bool:
    """A 4xx that says something about this sender or recipient, not about home (contract, ``redirect-on``)."""
    reply = outcome.reply
    if reply is None or not reply.temporary or outcome.stage not in (Stage.MAIL, Stage.RCPT):
        return False
    return reply.enhanced.startswith(("4.2.", "4.7.")) or reply.enhanced == "4.1.8"
