"""Who is told what of a message's fate: pure (contract 'Bounce policy', RFC 3461 §4.1)."""

from __future__ import annotations

import enum

import msgspec

from mpcontinuity.message.report import DELAYED, DELIVERED, FAILED, RELAYED
from mpcontinuity.model import outgoing
from mpcontinuity.model import owed as life
from mpcontinuity.model.parameters import RcptParameters
from mpcontinuity.queue.unreported import LATE, OWED, Unreported


class Telling(enum.Enum):
    """What is done about one row."""

    REPORT = "report"
    NOTHING = "nothing"  # and it counts as told
    WAIT = "wait"  # until the domain is off continuity


class Known(msgspec.Struct, frozen=True):
    """What the decision is made of. ``own``: the sender is a user of ours."""

    own: bool
    bounce_policy: str  # of the domain
    declared: bool  # its mode is `enabled`
    on_continuity: bool  # declared, or its home server is away
    seen: bool = False  # by the user who has it in a mailbox


def action_of(row: Unreported) -> str:
    """Of the report (RFC 3464 §2.3.3)."""
    if row.found == LATE:
        return DELAYED
    if row.found == OWED and row.state == life.DELIVERED:
        return RELAYED  # home has it, and does not report
    return {outgoing.DELIVERED: DELIVERED, outgoing.RELAYED: RELAYED, life.DELETED: DELIVERED}.get(row.state, FAILED)


def decide(row: Unreported, known: Known) -> Telling:
    """A user's own failures are told in any case: what was sent in their name must not vanish without a word."""
    action = action_of(row)
    if not known.own and (not row.reverse_path or row.kind == outgoing.DSN):
        return Telling.NOTHING
    if action == FAILED:
        if known.seen:
            return Telling.NOTHING
        return _telling(known.own or (_allowed(known) and _asked(row.parameters.rcpt, "FAILURE")))
    if action == DELAYED:
        if known.on_continuity:
            return Telling.WAIT
        return _telling(_asked(row.parameters.rcpt, "DELAY") and (known.own or _allowed(known)))
    return _telling("SUCCESS" in _notify(row.parameters.rcpt) and (known.own or _allowed(known)))


def _telling(wanted: bool) -> Telling:
    return Telling.REPORT if wanted else Telling.NOTHING


def _allowed(known: Known) -> bool:
    if known.bounce_policy == "disabled":
        return False
    return not (known.bounce_policy == "disabled-on-continuity" and known.declared)


def _asked(parameters: RcptParameters, what: str) -> bool:
    """Where nothing was said, failures and delays are told."""
    notify = _notify(parameters)
    return not notify or what in notify


def _notify(parameters: RcptParameters) -> list[str]:
    return [word for word in parameters.notify.upper().split(",") if word]
