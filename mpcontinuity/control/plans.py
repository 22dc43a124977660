"""Operations on outages that are declared for a set time: planned, listed, extended, ended."""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from mpcontinuity.accounts import domains, plans
from mpcontinuity.accounts.plans import Plan
from mpcontinuity.control.arguments import PAGE, moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model import durations, identifier
from mpcontinuity.model.clock import SECOND, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction


class PlanRow(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "until", "planner": "by"}):
    """An outage that is declared for a set time. Times are in ISO 8601. ``by`` is the administrator who planned it;
    ``ended`` is when it ended, and None where it has not."""

    id: str
    domain: str
    starts: str
    ends: str
    note: str
    planner: str
    state: Literal["to come", "under way", "ended"]
    ended: str | None


def row(domain: str, plan: Plan, now: int) -> PlanRow:
    """Returns the row of a plan of the domain of that name, at ``now`` (µs)."""
    ended = plan.ended or (plan.ends if plan.ends <= now else 0)
    state: Literal["to come", "under way", "ended"] = "to come" if plan.starts > now else "under way"
    return PlanRow(
        id=identifier.show(plan.id),
        domain=domain,
        starts=iso(plan.starts),
        ends=iso(plan.ends),
        note=plan.note,
        planner=plan.planner,
        state="ended" if ended else state,
        ended=iso(ended) if ended else None,
    )


async def add(control: Control, name: str, begin: str, until: str, note: str = "") -> PlanRow:
    """Declares an outage of the domain's home server from ``begin`` until ``until``, which begins and ends by itself.

    Both are times, or durations from now. Raises Refused for a domain that is not here, for times that are past, absurd
    or those of another plan, for a note that is no short line, and where too many outages are planned.
    """
    now = control.store.clock.now()
    starts, ends = _time("from", begin, now), _time("until", until, now)
    work = partial(_add, name=name, starts=starts, ends=ends, note=note, planner=control.caller.name)
    return await control.store.run(work)


def _time(what: str, text: str, now: int) -> int:
    try:
        return moment(text, now, ahead=True)
    except Refused as error:
        raise Refused(f"{what}: {error}") from None


def _add(tx: Transaction, name: str, starts: int, ends: int, note: str, planner: str) -> PlanRow:
    domain = domains.known(tx, name)
    if not domain.settings.continuity:
        raise Refused(f"{domain.name}: continuity is off, so that nothing would be kept", "conflict")
    # A duration counts from the moment at which it was read, which is a little earlier.
    soon = max(starts, tx.now) if starts > tx.now - SECOND else starts
    return row(domain.name, plans.add(tx, domain.id, soon, ends, note, planner), tx.now)


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[PlanRow]:
    """Lists up to ``limit`` outages that are under way, to come, or ended in the last 90 days, of one domain or of all.

    They are in the order in which they were planned, those after the id ``after``. Raises Refused for a domain that is
    not here, for a limit out of bounds, and for an ``after`` that is no id.
    """
    work = partial(_list, name=domain, after=row_id(after), limit=rows_of_page(limit))
    return await control.store.read(work)


def _list(tx: Transaction, name: str | None, after: int, limit: int) -> list[PlanRow]:
    only = domains.known(tx, name) if name is not None else None
    found = plans.page(tx, only.id if only is not None else 0, after, limit)
    names = {each.id: each.name for each in ([only] if only is not None else domains.listing(tx))}
    return [row(names[plan.domain], plan, tx.now) for plan in found]


async def extend(control: Control, name: str, until: str, plan: str | None = None) -> PlanRow:
    """Moves the end of an outage to the time ``until``, or by that duration, and shows it.

    ``plan`` is its id; without it the one that is under way is meant, else the only one that is to come. Raises Refused
    where there is none such, and for an end that is past, absurd, or reaches into another plan.
    """
    wanted = _plan_id(plan)
    try:
        longer = round(durations.parse(until) * SECOND)
    except ValueError:
        work = partial(_extend, ends=_time("until", until, control.store.clock.now()))
    else:
        work = partial(_extend, by=longer)
    return await control.store.run(partial(work, name=name, wanted=wanted))


def _extend(tx: Transaction, name: str, wanted: int, ends: int = 0, by: int = 0) -> PlanRow:
    domain = domains.known(tx, name)
    return row(domain.name, plans.extend(tx, domain.id, wanted, ends=ends, by=by), tx.now)


async def end(control: Control, name: str, plan: str | None = None) -> PlanRow:
    """Ends an outage that is under way, or removes one that is to come, and shows it; ``plan`` is as for extend.

    Raises Refused where there is none such.
    """
    return await control.store.run(partial(_end, name=name, wanted=_plan_id(plan)))


def _end(tx: Transaction, name: str, wanted: int) -> PlanRow:
    domain = domains.known(tx, name)
    return row(domain.name, plans.end(tx, domain.id, wanted), tx.now)


def _plan_id(text: str | None) -> int:
    try:
        return identifier.parse(text) if text is not None else 0
    except ValueError as error:
        raise Refused(f"plan: {error}") from None
