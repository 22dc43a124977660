"""How domains and their home servers stand: ``status``, and the ledger of what was taken in, ``report``."""

from __future__ import annotations

from typing import Any

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import moment
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import DAY, HOUR, iso
from mpcontinuity.model.events import DECLARED, redirect_text
from mpcontinuity.queue import ledger
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_STATUS = Statement(
    """SELECT id, state, since, reason, paused,
        (SELECT COUNT(*) FROM account WHERE account.domain = domain.id AND account.status IN ('active', 'pending')),
        (SELECT COUNT(*) FROM owed WHERE owed.domain = domain.id
            AND owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt')),
        (SELECT COUNT(*) FROM outgoing WHERE outgoing.domain = domain.id
            AND outgoing.state IN ('queued', 'claimed') AND outgoing.kind <> 'alert')
    FROM domain WHERE :domain = 0 OR id = :domain"""
)
# What home refuses for a reason that is not clear stays owed, and somebody has to look. With a run it is about to fail.
_REFUSED = Statement(
    """SELECT COUNT(*), MAX(last_code), MAX(last_text) FROM owed
    WHERE domain = :domain AND last_code >= 500 AND ended = 0 AND run = 0"""
)
# Messages that the home server failed: what continuity took, and what could only be put off.
_ERRORS = Statement(
    """SELECT COALESCE(SUM(CASE WHEN received >= :hour THEN 1 ELSE 0 END), 0), COUNT(*) FROM tracking
    WHERE domain = :domain AND received >= :day AND direction = 'inbound'
        AND (status = 'deferred' AND text <> :declared OR status = 'rejected' AND code BETWEEN 400 AND 499)"""
)
_DECLARED = redirect_text(DECLARED)


async def status(control: Control, domain: str | None = None) -> Any:
    """The contract's row per domain."""

    def look(tx: Transaction) -> list[Any]:
        wanted = [domains.known(tx, domain)] if domain is not None else domains.listing(tx)
        facts = {row[0]: row[1:] for row in tx.all(_STATUS, domain=wanted[0].id if domain is not None else 0)}
        return [_status(tx, one, *facts[one.id]) for one in wanted]

    return await control.store.read(look)


def _status(
    tx: Transaction, domain: domains.Domain, state: str, since: int, reason: str, paused: str, *counts: int
) -> dict[str, Any]:
    errors = tx.one(_ERRORS, domain=domain.id, hour=tx.now - HOUR, day=tx.now - DAY, declared=_DECLARED)
    assert errors is not None
    return {
        "domain": domain.name,
        "home": ",".join(domain.settings.home),
        "state": state,
        "since": iso(since),
        "reason": _reason(tx, domain.id, reason, paused),
        "mode": domain.mode(tx.now),
        "continuity": domain.settings.continuity,
        "users": counts[0],
        "redelivery_backlog": counts[1],
        "outbound_backlog": counts[2],
        "errors_hour": errors[0],
        "errors_day": errors[1],
    }


def _reason(tx: Transaction, domain: int, reason: str, paused: str) -> str:
    if paused:
        return f"redelivery is paused: {paused}"
    if reason:
        return reason
    count, code, text = tx.one(_REFUSED, domain=domain) or (0, 0, "")
    return f"home refuses {count} of what is owed, which stays owed: {code} {text}" if count else ""


async def report(control: Control, domain: str, since: str | None = None) -> Any:
    """``{"rows": […], "adds_up": bool}``: the contract's rows, the domain's last."""
    start = moment(since, control.store.clock.now()) if since is not None else 0

    def look(tx: Transaction) -> Any:
        lines = ledger.report(tx, domains.known(tx, domain).id, start)
        return {"rows": lines, "adds_up": ledger.adds_up(lines)}

    return await control.store.read(look)
