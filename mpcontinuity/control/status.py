"""How domains and their home servers stand and stood: ``status``, ``status history``, and the ledger, ``report``."""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from mpcontinuity.accounts import domains, home_history, home_users, users
from mpcontinuity.accounts.home_users import HomeUsers
from mpcontinuity.alerts import subscribers
from mpcontinuity.control.arguments import PAGE, domain_name, moment, row_id, rows_of_page
from mpcontinuity.control.drills import DrillRow
from mpcontinuity.control.drills import row as drill_row
from mpcontinuity.control.operation import Control
from mpcontinuity.control.plans import PlanRow
from mpcontinuity.control.plans import row as plan_row
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import DAY, HOUR, iso
from mpcontinuity.model.owed import NEVER
from mpcontinuity.queue import ledger, progress
from mpcontinuity.queue.progress import Progress
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import errors

_STATUS = Statement(
    f"""SELECT id, state, since, reason, paused,
        (SELECT COUNT(*) FROM account WHERE account.domain = domain.id AND account.status IN ('active', 'pending')),
        (SELECT COUNT(*) FROM owed WHERE owed.domain = domain.id
            AND owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt')),
        (SELECT COUNT(*) FROM outgoing WHERE outgoing.domain = domain.id
            AND outgoing.state IN ('queued', 'claimed') AND outgoing.kind <> 'alert'),
        (SELECT COUNT(*) FROM owed WHERE owed.domain = domain.id AND next_attempt >= {NEVER}
            AND owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt'))
    FROM domain WHERE id IN [:domains]"""
)
# What home refuses for a reason that is not clear stays owed, and somebody has to look. With a run it is about to fail.
_REFUSED = Statement(
    """SELECT COUNT(*), MAX(last_code), MAX(last_text) FROM owed
    WHERE domain = :domain AND last_code >= 500 AND ended = 0 AND run = 0"""
)


class Recovery(msgspec.Struct, frozen=True):
    """How far what is owed to a home server has gone there.

    ``done`` are the messages that home has taken since the flush began, ``left`` those that it is still owed,
    ``per_minute`` how many of them it took in the last minute. ``eta`` is when the last will have gone at this pace
    (ISO 8601), None where that cannot be told. ``waiting`` says why it goes slowly or not at all: the words of home
    that refused us or asked for less, or that home is down or an outage declared; it is empty where nothing is in the
    way.
    """

    done: int
    left: int
    per_minute: int
    eta: str | None
    waiting: str


class StatusRow(msgspec.Struct, frozen=True):
    """A row of `status`: how a domain and its home server stand. ``since`` is when that state began (ISO 8601), and
    ``reason`` why it is so, or why redelivery waits. Backlogs are messages; errors are messages that home failed.
    ``subscribers`` is how many addresses hear of that by mail, ``never_logged_in`` how many of the users have not
    logged in yet. ``recovery`` is None where home is owed nothing.

    ``mode`` is the one in force: ``enabled`` while a planned outage is under way. ``plan`` is that outage, else the
    next one that is to come. ``contained`` is since when home is cut off; None: it is not. ``kept`` is how much of what
    is owed waits for `contain release` since then. ``drill`` is the one that is under way.
    ``users_out`` is why home's users cannot use it now, though it may take mail: what the probe of `home-users` found,
    or what somebody said; None where they can.
    """

    domain: str
    home: str
    state: str
    since: str
    reason: str
    mode: Literal["disabled", "optional", "enabled"]
    continuity: bool
    users: int
    redelivery_backlog: int
    outbound_backlog: int
    errors_hour: int
    errors_day: int
    subscribers: int
    recovery: Recovery | None
    plan: PlanRow | None
    never_logged_in: int
    contained: str | None
    kept: int
    drill: DrillRow | None
    users_out: str | None


class StateChange(msgspec.Struct, frozen=True):
    """A row of `status history`: at ``time`` (ISO 8601) the home server of a domain came into this state.

    ``node`` is the process that noted it, empty where there is one only. ``left_out`` is the number of later changes
    that have no row of their own, because there were too many in a day.
    """

    id: str
    domain: str
    time: str
    state: str
    reason: str
    node: str
    left_out: int


class Report(msgspec.Struct, frozen=True):
    """The ledger of a domain: a line per user, then one per address without a mailbox, the domain's own last; and
    whether each adds up."""

    rows: list[ledger.LedgerLine]
    adds_up: bool


async def status(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[StatusRow]:
    """Returns a row for ``domain`` alone, or else for up to ``limit`` domains in the order of their names.

    The rows begin behind the name ``after``. Raises Refused for a domain that is not here, for a limit out of bounds,
    and for an ``after`` that is no name.
    """
    after = domain_name(after) if after else ""
    return await control.store.read(partial(_statuses, only=domain, after=after, limit=rows_of_page(limit)))


def _statuses(tx: Transaction, only: str | None, after: str, limit: int) -> list[StatusRow]:
    wanted = domains.page(tx, only, after, limit)
    ids = [domain.id for domain in wanted]
    facts = {id_: columns for id_, *columns in tx.all(_STATUS, domains=ids)}
    hearing = subscribers.numbers(tx, ids)
    flushes = progress.load(tx, ids)
    absent = users.never_logged_in(tx, ids)
    sides = home_users.load(tx, ids)
    return [
        _status(
            tx,
            one,
            flushes.get(one.id),
            sides.get(one.id),
            *facts[one.id],
            hearing.get(one.id, 0),
            absent.get(one.id, 0),
        )
        for one in wanted
    ]


def _status(
    tx: Transaction,
    domain: domains.Domain,
    flush: Progress | None,
    side: HomeUsers | None,
    state: str,
    since: int,
    reason: str,
    paused: str,
    *counts: int,
) -> StatusRow:
    registered, redelivery, outbound, kept, hearing, absent = counts
    mode = domain.mode(tx.now)
    if domain.contained:
        waiting = "home is cut off"
    elif mode == "enabled":
        waiting = "an outage is declared"
    else:
        waiting = (reason or "home is down") if state == State.DOWN.value else paused
    return StatusRow(
        domain=domain.name,
        home=",".join(domain.settings.home),
        state=state,
        since=iso(since),
        reason=_reason(tx, domain.id, reason, paused),
        mode=mode,
        continuity=domain.settings.continuity,
        users=registered,
        redelivery_backlog=redelivery,
        outbound_backlog=outbound,
        errors_hour=errors.count(tx, domain.id, tx.now - HOUR),
        errors_day=errors.count(tx, domain.id, tx.now - DAY),
        subscribers=hearing,
        recovery=_recovery(flush, redelivery - kept, waiting, tx.now) if redelivery > kept else None,
        plan=_plan(domain, tx.now),
        never_logged_in=absent,
        contained=iso(domain.contained) if domain.contained else None,
        kept=redelivery if domain.contained else kept,
        drill=_drill(domain, tx.now),
        users_out=(side.out or None) if side is not None else None,
    )


def _recovery(flush: Progress | None, left: int, waiting: str, now: int) -> Recovery:
    if flush is None or now - flush.noted > progress.STALE:
        return Recovery(0, left, 0, None, waiting)
    lasts = None if waiting else flush.lasts(left, now)
    fresh = now - flush.noted <= progress.FRESH
    return Recovery(
        done=flush.done,
        left=left,
        per_minute=flush.per_minute if fresh else 0,
        eta=None if lasts is None else iso(now + lasts),
        waiting=waiting or (flush.throttled if fresh else ""),
    )


def _drill(domain: domains.Domain, now: int) -> DrillRow | None:
    drill = domain.drill
    return drill_row(domain.name, drill, now) if drill is not None and drill.over > now else None


def _plan(domain: domains.Domain, now: int) -> PlanRow | None:
    plan = next((plan for plan in domain.plans if plan.ends > now), None)
    return plan_row(domain.name, plan, now) if plan is not None else None


def _reason(tx: Transaction, domain: int, reason: str, paused: str) -> str:
    if paused:
        return f"redelivery is paused: {paused}"
    if reason:
        return reason
    count, code, text = tx.one(_REFUSED, domain=domain) or (0, 0, "")
    return f"home refuses {count} of what is owed, which stays owed: {code} {text}" if count else ""


async def history(
    control: Control, domain: str | None = None, since: str | None = None, after: str = "", limit: int = PAGE
) -> list[StateChange]:
    """Returns up to ``limit`` changes of the states of home servers, newest first, those after the id ``after``.

    ``since`` is a time or a duration before now. Raises Refused for a domain that is not here, for a limit out of
    bounds, and for what is no time or no id.
    """
    start = moment(since, control.store.clock.now()) if since is not None else 0
    before = row_id(after) or identifier.LAST
    page = partial(_history, name=domain, since=start, before=before, limit=rows_of_page(limit))
    return await control.store.read(page)


def _history(tx: Transaction, name: str | None, since: int, before: int, limit: int) -> list[StateChange]:
    wanted = domains.known(tx, name).id if name is not None else 0
    return [
        StateChange(identifier.show(row.id), row.domain, iso(row.time), row.state, row.reason, row.node, row.left_out)
        for row in home_history.listing(tx, domain=wanted, since=since, before=before, limit=limit)
    ]


async def report(control: Control, domain: str, since: str | None = None) -> Report:
    """Returns the ledger of a domain; with ``since``, a time or a duration before now, only of what was received from
    then on. Raises Refused for a domain that is not here, and for a ``since`` that is no time."""
    start = moment(since, control.store.clock.now()) if since is not None else 0
    return await control.store.read(partial(_report, name=domain, since=start))


def _report(tx: Transaction, name: str, since: int) -> Report:
    lines = ledger.report(tx, domains.known(tx, name).id, since)
    return Report(lines, ledger.adds_up(lines))
