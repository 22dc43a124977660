"""The history of home servers: each change of a state that `status` shows, with its reason, for 90 days.

A row is written in the transaction that changes the state (accounts/home_state.py). A state that has ended before the
database could be told of it has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from mpcontinuity.model.clock import DAY
from mpcontinuity.model.identifier import first_at
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 90 * DAY  # as long as tracking: who asks about a message asks about home at that time
MOST_A_DAY = 100  # of one domain, in any 24 h: a home that fails every minute would write 500,000 rows in 90 days
STEP = 500  # rows of one transaction
_LONGEST_REASON = 1_000  # characters: a reply may have many lines

# The two changes for the better have one cause each (routing/health.py).
_BETTER = {
    (State.DOWN, State.RECOVERING): "it answers probes again",
    (State.RECOVERING, State.UP): "all that was owed has been tried",
}

_COUNT = Statement("SELECT COUNT(*), MAX(id) FROM home_change WHERE domain = :domain AND id >= :since")
_ADD = Statement(
    """INSERT INTO home_change (id, domain, time, state, reason, node)
    VALUES (:id, :domain, :time, :state, :reason, :node)"""
)
_LEAVE_OUT = Statement("UPDATE home_change SET left_out = left_out + 1 WHERE id = :id")
_LIST = Statement(
    """SELECT home_change.id, domain.name, time, home_change.state, home_change.reason, node, left_out
    FROM home_change JOIN domain ON domain.id = home_change.domain
    WHERE (:domain = 0 OR home_change.domain = :domain) AND home_change.id < :before AND time >= :since
    ORDER BY home_change.id DESC LIMIT :limit"""
)
_NOTED = Statement(
    """SELECT home_change.id, domain.name, time, home_change.state, home_change.reason, node, left_out
    FROM home_change JOIN domain ON domain.id = home_change.domain
    WHERE home_change.id >= :since ORDER BY home_change.id LIMIT :limit"""
)
_FORGET = Statement(
    "DELETE FROM home_change WHERE id IN (SELECT id FROM home_change WHERE id < :before ORDER BY id LIMIT :step)"
)


@dataclass(frozen=True, slots=True)
class HomeChange:
    """A change of the state of a domain's home server.

    ``time`` is when the state began, in µs. ``node`` is the process that noted it, empty where the store has one
    process only. ``left_out`` is the number of later changes that have no row, because there were too many in a day.
    """

    id: int
    domain: str
    time: int
    state: str
    reason: str
    node: str
    left_out: int


def note(tx: Transaction, domain: int, known: Health, health: Health, node: str) -> None:
    """Adds a row where the state that `status` shows changes from that of ``known`` to that of ``health``.

    Where the domain has MOST_A_DAY rows of the last 24 h, the newest of them counts the change instead.
    """
    before, after = known.state.shown, health.state.shown
    if (before, known.since) == (after, health.since):
        return
    count, newest = tx.one(_COUNT, domain=domain, since=first_at(tx.now - DAY)) or (0, 0)
    if count >= MOST_A_DAY:
        tx.run(_LEAVE_OUT, id=newest)
        return
    reason = health.reason if after is State.DOWN else _BETTER.get((before, after), "")
    tx.run(
        _ADD,
        id=tx.identifier(),
        domain=domain,
        time=health.since,
        state=after.value,
        reason=reason[:_LONGEST_REASON],
        node=node,
    )


def listing(tx: Transaction, *, domain: int, since: int, before: int, limit: int) -> list[HomeChange]:
    """Returns up to ``limit`` changes of states that began at ``since`` (µs) or later, newest first.

    They are those of the domain with the id ``domain``, or of all for 0, whose ids are below ``before``.
    """
    return tx.records(HomeChange, _LIST, domain=domain, since=since, before=before, limit=limit)


def noted(tx: Transaction, *, since: int, limit: int) -> list[HomeChange]:
    """Returns up to ``limit`` changes of all home servers that were noted at ``since`` (µs) or later, oldest first."""
    return tx.records(HomeChange, _NOTED, since=first_at(since), limit=limit)


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP changes with ids below ``before``. Returns how many: call it again while that is STEP."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all changes older than REMEMBERED, in steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass
