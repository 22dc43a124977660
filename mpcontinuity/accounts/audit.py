"""The audit trail: what administrators, and users for themselves, did, were refused, and saw of others' mail.

A row is committed before an operation begins, and its result when it has ended, as a row of its own: the trail is only
ever added to. What a crash cuts off is in it as begun, so that nothing is done, and no mail is shown, without a note.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import product

from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 365 * DAY
STEP = 500  # rows of one transaction
BEGUN = "begun"  # the result of what has no end yet

# Rows that one name may add in any 24 h. Beyond that, what it is refused is not noted any more.
MOST_REFUSED = 1_000
# An operation every 4 s, all day long: beyond that a caller who does not administer all domains is refused.
MOST_A_DAY = 20_000

_ADD = Statement(
    """INSERT INTO audit (id, time, name, origin, operation, object, domain, result)
    VALUES (:id, :time, :name, :origin, :operation, :object, :domain, :result)"""
)
_END = Statement("INSERT INTO audit_end (id, time, result) VALUES (:id, :time, :result)")
_COUNT = Statement(
    "SELECT COUNT(*) FROM (SELECT 1 FROM audit WHERE name = :name AND id >= :since LIMIT :most) AS counted"
)
_FORGET = (
    Statement("DELETE FROM audit_end WHERE id IN (SELECT id FROM audit WHERE id < :before ORDER BY id LIMIT :step)"),
    Statement("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < :before ORDER BY id LIMIT :step)"),
)


def _listing(of_domain: bool, by_name: bool) -> Statement:
    """A text for each filter, so that the database uses its index."""
    return Statement(
        f"""SELECT audit.id, audit.time, name, origin, operation, object, domain,
        COALESCE(audit_end.result, CASE audit.result WHEN '' THEN '{BEGUN}' ELSE audit.result END)
        FROM audit LEFT JOIN audit_end ON audit_end.id = audit.id
        WHERE audit.id < :before AND audit.id >= :since
        {"AND domain = :domain" if of_domain else ""} {"AND name = :name" if by_name else ""}
        ORDER BY audit.id DESC LIMIT :limit"""
    )


_OF_DOMAIN = Statement(
    f"""SELECT audit.id, audit.time, name, origin, operation, object, domain,
    COALESCE(audit_end.result, CASE audit.result WHEN '' THEN '{BEGUN}' ELSE audit.result END)
    FROM audit LEFT JOIN audit_end ON audit_end.id = audit.id
    WHERE domain = :domain AND audit.id >= :since AND audit.id < :before AND operation IN [:operations]
    ORDER BY audit.id DESC LIMIT :limit"""
)
_LISTINGS = {(domain, name): _listing(domain, name) for domain, name in product((False, True), repeat=2)}


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asks for.

    ``name`` is how they call themselves and ``origin`` what the system knows of them. ``object`` says what the
    operation is about, without secrets. ``domain`` is the name of the domain whose administrators see it, empty where
    only those of all domains do. ``bounded`` callers may do no more than MOST_A_DAY.
    """

    name: str
    origin: str
    operation: str
    object: str
    domain: str
    bounded: bool = True


@dataclass(frozen=True, slots=True)
class Audited:
    """A row of the trail. ``time`` is in µs, ``result`` "begun", "done", or "refused: " and why."""

    id: int
    time: int
    name: str
    origin: str
    operation: str
    object: str
    domain: str
    result: str


def begin(tx: Transaction, act: Act) -> int:
    """Notes that an operation begins, and returns the id of its row, which `end` takes.

    Raises Refused for a bounded caller who has done MOST_A_DAY within 24 h.
    """
    if act.bounded and _count(tx, act.name, MOST_A_DAY) == MOST_A_DAY:
        raise Refused(f"{act.name} has called {MOST_A_DAY} operations within 24 hours; try again later", "conflict")
    return _add(tx, act, "")


def end(tx: Transaction, row: int, result: str) -> None:
    """Notes how the operation ended whose row has that id."""
    tx.run(_END, id=row, time=tx.now, result=result)


def refused(tx: Transaction, act: Act, result: str) -> None:
    """Notes an operation that was refused before it began, unless that name has MOST_REFUSED rows within 24 h."""
    if _count(tx, act.name, MOST_REFUSED) < MOST_REFUSED:
        _add(tx, act, result)


def listing(tx: Transaction, *, domain: str, name: str, since: int, before: int, limit: int) -> list[Audited]:
    """Returns up to ``limit`` rows, newest first, with ids below ``before`` and from the time ``since`` (µs) on.

    ``domain`` and ``name`` filter where they are not empty.
    """
    statement = _LISTINGS[bool(domain), bool(name)]
    given = ({"domain": domain} if domain else {}) | ({"name": name} if name else {})
    return tx.records(Audited, statement, since=first_at(since), before=before, limit=limit, **given)


def of_domain(
    tx: Transaction, domain: str, operations: Collection[str], *, since: int, until: int, limit: int
) -> list[Audited]:
    """Returns up to ``limit`` rows about a domain, newest first: those of ``operations`` that were begun at ``since``
    (µs) or later, and before ``until``."""
    first, before = first_at(since), first_at(until)
    return tx.records(
        Audited, _OF_DOMAIN, domain=domain, operations=list(operations), since=first, before=before, limit=limit
    )


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP rows with ids below ``before``. Returns how many: call it again while that is STEP."""
    ends, rows = _FORGET
    tx.run(ends, before=before, step=STEP)
    return tx.run(rows, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all rows older than REMEMBERED, in steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


def _count(tx: Transaction, name: str, most: int) -> int:
    """How many rows that name has of the last 24 h, counted up to ``most``."""
    return int(tx.value(_COUNT, name=name, since=first_at(tx.now - DAY), most=most))


def _add(tx: Transaction, act: Act, result: str) -> int:
    row = tx.identifier()
    tx.run(
        _ADD,
        id=row,
        time=tx.now,
        name=act.name,
        origin=act.origin,
        operation=act.operation,
        object=act.object,
        domain=act.domain,
        result=result,
    )
    return row
