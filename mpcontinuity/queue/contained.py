"""What is owed to a home server that was cut off, and waits until an administrator releases it.

While home is cut off nothing is claimed, so that all that is owed is kept, and nothing needs a mark. When that is
lifted, what is owed by then gets NEVER as its next attempt: new mail passes, and what was kept waits for its release.
Each function runs in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.accounts import containment
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import OwedChanged, TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import NEVER, OPEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import add_event

STEP = 500  # rows of one transaction

# A refusal that waits for the end of its run is forgiven: whether home means it will be seen after the release.
_KEEP = Statement(
    f"""UPDATE owed SET next_attempt = {NEVER}, run = 0 WHERE id IN (
        SELECT id FROM owed WHERE domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
            AND next_attempt < {NEVER} LIMIT :step)"""
)
_KEPT = f"domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt') AND next_attempt >= {NEVER}"
_COUNT = Statement(f"SELECT COUNT(*) FROM owed WHERE {_KEPT}")
_COUNT_OWED = Statement(
    """SELECT COUNT(*) FROM owed WHERE domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')"""
)
_SOME = Statement(f"SELECT id FROM owed WHERE {_KEPT} LIMIT :step")  # as the index has them: sorting takes all of them
_FIND = Statement(f"SELECT id, domain, state, next_attempt >= {NEVER} FROM owed WHERE id IN [:ids]")
_OF_BODIES = Statement(f"SELECT id FROM owed WHERE {_KEPT} AND body IN [:bodies]")
_OWED_OF_BODIES = Statement(
    """SELECT id FROM owed WHERE domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    AND body IN [:bodies]"""
)
# The time in which it was kept is not counted by `give_up`.
_RELEASE = Statement(
    f"""UPDATE owed SET next_attempt = 0, uptime_at = (SELECT uptime FROM domain WHERE domain.id = owed.domain)
    WHERE id IN [:ids] AND {_KEPT} RETURNING id"""
)


def lift(tx: Transaction, domain: int) -> bool:
    """Keeps up to STEP rows that are owed to the home server of a domain, and lifts that it is cut off where these were
    the last ones. Returns whether it is lifted: call it again while it is not."""
    if not containment.find(tx, domain).since:
        return True
    if tx.run(_KEEP, domain=domain, step=STEP) >= STEP:
        return False
    containment.end(tx, domain)
    return True


def count(tx: Transaction, domain: int) -> int:
    """Returns how many rows of a domain wait for their release; while home is cut off, how many will."""
    return int(tx.value(_COUNT_OWED if containment.find(tx, domain).since else _COUNT, domain=domain))


def some(tx: Transaction, domain: int) -> list[int]:
    """Returns the ids of up to STEP kept rows of a domain, any of them: release them before you call it again."""
    return [row[0] for row in tx.all(_SOME, domain=domain, step=STEP)]


def of_bodies(tx: Transaction, domain: int, bodies: Sequence[int]) -> list[int]:
    """Returns the ids of the kept rows of a domain whose messages are among ``bodies``: of those that will be, while
    home is cut off."""
    statement = _OWED_OF_BODIES if containment.find(tx, domain).since else _OF_BODIES
    return [row[0] for row in tx.all(statement, domain=domain, bodies=bodies)]


def refuse_unless_kept(tx: Transaction, domain: int, ids: Sequence[int]) -> None:
    """Raises Refused for the first of ``ids`` that is no kept row of the domain."""
    known = {row_id: facts for row_id, *facts in tx.all(_FIND, ids=ids)}
    hint = Hint("contain list", "shows what is kept")
    for row_id in ids:
        of, state, kept = known.get(row_id, (0, "", 0))
        if of != domain:
            raise Refused(f"{show(row_id)}: no such message of this domain", "unknown", hint)
        if state not in OPEN:
            raise Refused(f"{show(row_id)}: is {state} already", "conflict", hint)
        if not kept:
            raise Refused(f"{show(row_id)}: is not kept", "conflict", hint)


def release(tx: Transaction, domain: int, ids: Sequence[int], by: str) -> int:
    """Lets up to STEP kept rows go home, and returns how many of ``ids`` there were. ``by`` is the administrator's
    name."""
    released = [row[0] for row in tx.all(_RELEASE, domain=domain, ids=ids)]
    for row_id in released:
        add_event(tx, row_id, TrackingEvent(tx.now, "", 0, f"Released to the home server by {by}"))
    if released:
        tx.announce(OwedChanged(domain))
    return len(released)
