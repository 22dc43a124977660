"""What an administrator sees of mail and home servers: status, the ledger, tracking, the queue."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import Any

from mpcontinuity.accounts import domains
from mpcontinuity.control.operation import Control, moment
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import DAY, HOUR, SECOND, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import BOUNCED, DECLARED, DEFERRED, DELIVERED, FAILED, QUEUED, REJECTED, redirect_text
from mpcontinuity.queue import ledger, outbound
from mpcontinuity.queue import listing as queue
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import listing as tracking

# Messages that the home server failed: what continuity took, and what could only be put off.
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
_ERRORS = Statement(
    """SELECT COALESCE(SUM(CASE WHEN received >= :hour THEN 1 ELSE 0 END), 0), COUNT(*) FROM tracking
    WHERE domain = :domain AND received >= :day AND direction = 'inbound'
        AND (status = 'deferred' AND text <> :declared OR status = 'rejected' AND code BETWEEN 400 AND 499)"""
)


_DECLARED = redirect_text(DECLARED)

STATUSES = (DELIVERED, DEFERRED, REJECTED, BOUNCED, QUEUED, FAILED)


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


async def track(
    control: Control,
    recipient: str = "",
    sender: str = "",
    message_id: str = "",
    status: str = "",
    since: str | None = None,
    limit: int = 100,
) -> Any:
    """The contract's rows, newest first."""
    if not 1 <= limit <= tracking.MOST:
        raise Refused(f"limit: {limit}: must be 1 to {tracking.MOST}")
    if status and status not in STATUSES:
        raise Refused(f'status: "{status}": must be {", ".join(STATUSES)}')
    filters = tracking.Filters(
        recipient=recipient,
        sender=sender,
        message_id=message_id,
        status=status,
        since=moment(since, control.store.clock.now()) if since else 0,
    )
    return await tracking.newest(control.store, filters, limit)


async def queue_list(control: Control, domain: str | None = None) -> Any:
    """What waits for home servers and what waits for the world, oldest first."""
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    give_up = round(control.settings.retry.give_up * SECOND)
    rows: list[tuple[int, Any]] = []
    for listing in (partial(queue.listing, give_up=give_up), outbound.listing):
        after = 0
        while step := await control.store.read(partial(listing, domain=wanted, after=after)):
            rows += step
            after = step[-1][0]
    return [row for _, row in sorted(rows, key=itemgetter(0))]


async def queue_destinations(control: Control, domain: str | None = None) -> Any:
    """What waits for the world, by where it goes; those with most waiting first."""
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    return await control.store.read(partial(outbound.destinations, domain=wanted))


async def queue_retry(control: Control, ids: list[str] | None = None) -> Any:
    """Due now; without ids all. How many were changed."""
    give_up = round(control.settings.retry.give_up * SECOND)

    def retry(tx: Transaction, ids: list[int]) -> int:
        ours = outbound.known(tx, ids)
        home = [one for one in ids if one not in ours]
        count = outbound.retry(tx, sorted(ours), control.by, give_up=give_up)
        return count + (queue.retry(tx, home, control.by) if home else 0)

    if ids:
        return {"retried": await control.store.run(partial(retry, ids=_ids(ids)))}
    count = 0
    for again in (partial(queue.retry_all, by=control.by), partial(outbound.retry_all, by=control.by, give_up=give_up)):
        after = 0
        while step := await control.store.run(partial(again, after=after), bulk=True):
            count += len(step)
            after = step[-1]
    return {"retried": count}


async def queue_remove(control: Control, ids: list[str]) -> Any:
    """Not owed any more: released; not sent to the world any more: removed. How many."""

    def remove(tx: Transaction, ids: list[int]) -> int:
        ours = outbound.known(tx, ids)
        home = [one for one in ids if one not in ours]
        return outbound.remove(tx, sorted(ours), control.by) + (queue.remove(tx, home, control.by) if home else 0)

    return {"removed": await control.store.run(partial(remove, ids=_ids(ids)))}


def _ids(shown: list[str]) -> list[int]:
    try:
        return [identifier.parse(one) for one in shown]
    except ValueError as error:
        raise Refused(f"{error}; `mpcontinuity queue list` shows them") from None
