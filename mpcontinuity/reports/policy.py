"""Decides who is told what of a message's fate (contract 'Bounce policy', RFC 3461 §4.1). The functions are pure."""

from __future__ import annotations

import enum

import msgspec

from mpcontinuity.message.report import DELAYED, DELIVERED, FAILED, RELAYED
from mpcontinuity.model import outgoing
from mpcontinuity.model import owed as life
from mpcontinuity.model.parameters import RcptParameters
from mpcontinuity.queue.unreported import LATE, OWED, Unreported


class ReportDecision(enum.Enum):
    """What is done about one row."""

    REPORT = "report"
    NOTHING = "nothing"  # and it counts as told
    WAIT = "wait"  # until the domain is off continuity, or it is known who sent it
    UNPROVEN = "unproven"  # nothing, because who sent it did not prove to be who they claim


class Facts(msgspec.Struct, frozen=True):
    """What the decision depends on.

    ``own`` is true where the sender is a user of ours; else ``proven`` is as in `Sender`.
    """

    own: bool
    proven: bool | None
    bounce_policy: str  # of the domain
    declared: bool  # its mode is `enabled`
    on_continuity: bool  # declared, or its home server is away
    seen: bool = False  # by the user who has it in a mailbox


def action_of(row: Unreported) -> str:
    """Returns the action that the report names for this row (RFC 3464 §2.3.3)."""
    if row.found == LATE:
        return DELAYED
    if row.found == OWED and row.state == life.DELIVERED:
        return RELAYED  # home has it, and does not report
    return {outgoing.DELIVERED: DELIVERED, outgoing.RELAYED: RELAYED, life.DELETED: DELIVERED}.get(row.state, FAILED)


def decide(row: Unreported, facts: Facts) -> ReportDecision:
    """Decides about one row.

    A user's own failures are always told, because what was sent in their name must not vanish without a word.
    """
    if action_of(row) == DELAYED and facts.on_continuity:
        return ReportDecision.WAIT
    if not _wanted(row, facts):
        return ReportDecision.NOTHING
    if facts.own or facts.proven:
        return ReportDecision.REPORT
    return ReportDecision.WAIT if facts.proven is None else ReportDecision.UNPROVEN


def _wanted(row: Unreported, facts: Facts) -> bool:
    if not facts.own and (not row.reverse_path or row.kind == outgoing.DSN):
        return False
    action = action_of(row)
    if action == FAILED:
        if facts.seen:
            return False
        return facts.own or (_allowed(facts) and _asked(row.parameters.rcpt, "FAILURE"))
    asked = _asked(row.parameters.rcpt, "DELAY") if action == DELAYED else "SUCCESS" in _notify(row.parameters.rcpt)
    return asked and (facts.own or _allowed(facts))


def _allowed(facts: Facts) -> bool:
    if facts.bounce_policy == "disabled":
        return False
    return not (facts.bounce_policy == "disabled-on-continuity" and facts.declared)


def _asked(parameters: RcptParameters, what: str) -> bool:
    """Where nothing was said, failures and delays are told."""
    notify = _notify(parameters)
    return not notify or what in notify


def _notify(parameters: RcptParameters) -> list[str]:
    return [word for word in parameters.notify.upper().split(",") if word]
