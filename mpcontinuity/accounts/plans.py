"""Rows of the table ``plan``: outages that administrators declare for a set time, which begin and end by themselves.

A plan is under way from the moment ``starts`` until ``ends``, or until an administrator ends it, by the clock of
whoever asks (`domains.Domain.plan`); nothing has to happen in the store for that. `turn` only notes that it has come to
pass, so that listeners hear of it. Every function is work for one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial

from mpcontinuity.model.clock import DAY, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import DomainsChanged
from mpcontinuity.model.identifier import show
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 90 * DAY  # after its end, as long as the history of home servers
FARTHEST = 732 * DAY  # from now until the end of a plan: a year that was mistyped is refused
MOST = 100  # plans of a domain that have not ended: one a week for two years; all are in memory with the domain
MOST_ENDED = 1_000  # that are listed, of a domain: the oldest make room
LONGEST_NOTE = 500  # characters
STEP = 500  # rows of one transaction


@dataclass(frozen=True, slots=True)
class Plan:
    """An outage that is declared for a set time. Times are in µs.

    ``planner`` is the name of the administrator who planned it. ``begun`` says whether its beginning was noted
    (`turn`). ``ended`` is when it ended; 0: it is under way or to come.
    """

    id: int
    domain: int
    starts: int
    ends: int
    note: str
    planner: str
    begun: int = 0
    ended: int = 0

    @property
    def next_turn(self) -> int:
        """When it begins, or ends where its beginning was noted, in µs."""
        return self.ends if self.begun else self.starts

    def under_way(self, now: int) -> bool:
        """Returns whether the outage is declared by this plan at ``now`` (µs)."""
        return not self.ended and self.starts <= now < self.ends


_COLUMNS = "id, domain, starts, ends, note, planner, begun, ended"
_OPEN = Statement(f"SELECT {_COLUMNS} FROM plan WHERE (:domain = 0 OR domain = :domain) AND ended = 0 ORDER BY starts")
_OPEN_OF = Statement(f"SELECT {_COLUMNS} FROM plan WHERE domain = :domain AND ended = 0 ORDER BY starts")
_PAGE = Statement(
    f"""SELECT {_COLUMNS} FROM plan WHERE (:domain = 0 OR domain = :domain) AND id > :after ORDER BY id LIMIT :limit"""
)
_ADD = Statement(
    """INSERT INTO plan (id, domain, starts, ends, note, planner)
    VALUES (:id, :domain, :starts, :ends, :note, :planner)"""
)
_EXTEND = Statement("UPDATE plan SET ends = :ends WHERE id = :id")
_END = Statement("UPDATE plan SET ended = :now WHERE id = :id")
_REMOVE = Statement("DELETE FROM plan WHERE id = :id")
_BEGIN_DUE = Statement("UPDATE plan SET begun = 1 WHERE begun = 0 AND ended = 0 AND starts <= :now")
_END_DUE = Statement("UPDATE plan SET ended = ends WHERE ended = 0 AND ends <= :now")
_MAKE_ROOM = Statement(
    """DELETE FROM plan WHERE id IN (
        SELECT id FROM plan WHERE domain = :domain AND ended > 0 ORDER BY ended DESC LIMIT :step OFFSET :most)"""
)
_FORGET = Statement(
    "DELETE FROM plan WHERE id IN (SELECT id FROM plan WHERE ended > 0 AND ended < :before LIMIT :step)"
)
# Two transactions that plan for one domain come one after the other.
_LOCK = Statement("SELECT id FROM domain WHERE id = :domain [FOR UPDATE]")


def open_plans(tx: Transaction, domain: int = 0) -> dict[int, tuple[Plan, ...]]:
    """Returns the plans that are under way or to come, the next one first, by the id of their domain; those of one
    ``domain``, or of all for 0."""
    found: defaultdict[int, list[Plan]] = defaultdict(list)
    for plan in tx.records(Plan, _OPEN, domain=domain):
        found[plan.domain].append(plan)
    return {domain: tuple(plans) for domain, plans in found.items()}


def page(tx: Transaction, domain: int, after: int, limit: int) -> list[Plan]:
    """Returns up to ``limit`` plans of a domain, or of all for 0, in the order in which they were made, those with an
    id above ``after``; also those that ended in the last 90 days."""
    return tx.records(Plan, _PAGE, domain=domain, after=after, limit=limit)


def add(tx: Transaction, domain: int, starts: int, ends: int, note: str, planner: str) -> Plan:
    """Adds a plan and returns it.

    Raises Refused, and changes nothing, for times that are past, absurd, or those of another plan, for a note that
    will not do, and where the domain has MOST plans.
    """
    if starts < tx.now:
        raise Refused(f"from: {iso(starts)}: is in the past; an outage from now on begins by mode=enabled")
    _refuse_end(tx, starts, ends)
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise Refused(f"note: must be one line of at most {LONGEST_NOTE} characters")
    others = _open_of(tx, domain)
    if len(others) >= MOST:
        raise Refused(f"{MOST} outages are planned for this domain already; end one that is not needed", "conflict")
    plan = Plan(tx.identifier(), domain, starts, ends, note, planner)
    _refuse_overlap(plan, others)
    tx.run(_ADD, id=plan.id, domain=domain, starts=starts, ends=ends, note=note, planner=planner)
    tx.run(_MAKE_ROOM, domain=domain, most=MOST_ENDED, step=STEP)
    tx.announce(DomainsChanged())
    return plan


def extend(tx: Transaction, domain: int, wanted: int, *, ends: int = 0, by: int = 0) -> Plan:
    """Moves the end of a plan to ``ends``, or ``by`` so many µs, and returns the plan.

    ``wanted`` is its id; 0 means the one that is under way, else the only one that is to come. Raises Refused, and
    changes nothing, where there is none such, and for an end that will not do.
    """
    others = _open_of(tx, domain)
    plan = _chosen(others, wanted, tx.now)
    changed = replace(plan, ends=ends or plan.ends + by)
    _refuse_end(tx, changed.starts, changed.ends)
    _refuse_overlap(changed, [other for other in others if other.id != plan.id])
    tx.run(_EXTEND, id=plan.id, ends=changed.ends)
    tx.announce(DomainsChanged())
    return changed


def end(tx: Transaction, domain: int, wanted: int) -> Plan:
    """Ends a plan that is under way, or removes one that is to come, and returns it. ``wanted`` is as for `extend`.

    Raises Refused where there is none such.
    """
    plan = _chosen(_open_of(tx, domain), wanted, tx.now)
    if plan.starts <= tx.now:
        tx.run(_END, id=plan.id, now=tx.now)
    else:
        tx.run(_REMOVE, id=plan.id)
    tx.announce(DomainsChanged())
    return replace(plan, ended=tx.now)


def turn(tx: Transaction) -> int:
    """Notes which plans have begun and which have ended by now. Returns how many; listeners hear of it where any
    has."""
    turned = tx.run(_BEGIN_DUE, now=tx.now) + tx.run(_END_DUE, now=tx.now)
    if turned:
        tx.announce(DomainsChanged())
    return turned


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP plans that ended before ``before`` (µs). Returns how many: call it again while that is
    STEP."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all plans that ended more than REMEMBERED ago, in steps of the bulk lane. Raises Temporary."""
    before = store.clock.now() - REMEMBERED
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


def _open_of(tx: Transaction, domain: int) -> list[Plan]:
    """Those that have not ended by the clock, although nobody has noted that yet."""
    tx.all(_LOCK, domain=domain)
    return [plan for plan in tx.records(Plan, _OPEN_OF, domain=domain) if plan.ends > tx.now]


def _chosen(plans: list[Plan], wanted: int, now: int) -> Plan:
    hint = Hint("domain plan list", "shows them")
    if wanted:
        found = [plan for plan in plans if plan.id == wanted]
        if not found:
            raise Refused(
                f"{show(wanted)}: no outage of that id is under way or planned for this domain", "unknown", hint
            )
        return found[0]
    if not plans:
        raise Refused("no outage is under way or planned for this domain", "unknown", hint)
    if not plans[0].under_way(now) and len(plans) > 1:
        raise Refused(f"{len(plans)} outages are planned for this domain; say which by its id", "conflict", hint)
    return plans[0]


def _refuse_end(tx: Transaction, starts: int, ends: int) -> None:
    if ends <= tx.now:
        raise Refused(f"until: {iso(ends)}: is in the past")
    if ends <= starts:
        raise Refused(f"until: {iso(ends)}: must be later than the beginning, {iso(starts)}")
    if ends > tx.now + FARTHEST:
        raise Refused(f"until: {iso(ends)}: is more than {FARTHEST // DAY} days ahead")


def _refuse_overlap(plan: Plan, others: list[Plan]) -> None:
    for other in others:
        if plan.starts < other.ends and other.starts < plan.ends:
            raise Refused(
                f"an outage is planned already from {iso(other.starts)} until {iso(other.ends)} ({show(other.id)})",
                "conflict",
                Hint("domain plan list", "shows them"),
                "begin",
            )
