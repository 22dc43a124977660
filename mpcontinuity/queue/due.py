"""Which owed rows are due for a home server. They are read beside the writer, and claimed later by their ids."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mpcontinuity.model.clock import HOUR
from mpcontinuity.model.owed import NEVER
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

PAGE = 1000  # rows of one read
OF_USER = 100  # rows of one user in one read
STEP = 500  # rows of one transaction

_COLUMNS = "id, account, CASE WHEN account IS NULL THEN lower(recipient) ELSE '' END, next_attempt, size"
_NOT_SPARED = "(account IS NULL OR account NOT IN [:spared])"
# Each part follows the index owed_next to its place. An IN over both states would sort all the backlog for every page,
# and a comparison of (next_attempt, id) would walk again over all that shares the page's next_attempt.
_PARTS = " UNION ALL ".join(
    f"SELECT * FROM (SELECT {_COLUMNS} FROM owed WHERE domain = :domain AND {state} AND {after}"
    f" AND {_NOT_SPARED} ORDER BY next_attempt, id LIMIT :page) AS part_{number}"
    for number, (state, after) in enumerate(
        (state, after)
        for state in ("state = 'owed'", "state = 'in_doubt' AND lease_until <= :now")
        for after in (
            "next_attempt = :next_attempt AND id > :id",
            "next_attempt > :next_attempt AND next_attempt <= :now",
        )
    )
)
_DUE = Statement(f"{_PARTS} ORDER BY 4, 1 LIMIT :page")
# An account is of one domain, so that its index leads to its rows in the order of their ids.
_OF_USER = {
    who: Statement(
        " UNION ALL ".join(
            f"SELECT * FROM (SELECT {_COLUMNS} FROM owed WHERE {condition} AND id >= :first AND {state}"
            " AND next_attempt <= :now"
            f" ORDER BY id LIMIT :page) AS part_{number}"
            for number, state in enumerate(("state = 'owed'", "state = 'in_doubt' AND lease_until <= :now"))
        )
        + " ORDER BY 1 LIMIT :page"
    )
    for who, condition in (
        ("account", "account = :user"),
        ("address", "domain = :domain AND account IS NULL AND lower(recipient) = :user"),
    )
}
_NEXT = Statement(
    f"""SELECT MIN(earliest) FROM (
        SELECT MIN(next_attempt) AS earliest FROM owed WHERE domain = :domain AND state = 'owed'
            AND {_NOT_SPARED}
        UNION ALL
        SELECT MIN(CASE WHEN next_attempt > lease_until THEN next_attempt ELSE lease_until END) FROM owed
            WHERE domain = :domain AND state = 'in_doubt' AND {_NOT_SPARED}) AS earliest_of_both"""
)
_MAKE_DUE = Statement(
    f"""UPDATE owed SET next_attempt = 0 WHERE id IN (
        SELECT id FROM owed WHERE domain = :domain AND state = 'owed' AND next_attempt > 0 AND next_attempt < {NEVER}
        LIMIT :step)"""
)
_MAKE_NEXT_DUE = Statement(
    f"""UPDATE owed SET next_attempt = 0 WHERE id IN (
        SELECT id FROM owed WHERE domain = :domain AND state = 'owed' AND next_attempt < {NEVER} AND run <> :run
            ORDER BY next_attempt, id LIMIT 1)"""
)
_PUT_OFF = {
    who: Statement(
        f"""UPDATE owed SET next_attempt = :next WHERE id IN (
            SELECT id FROM owed WHERE domain = :domain AND {condition} AND state = 'owed'
                AND next_attempt <= :now LIMIT :step)"""
    )
    for who, condition in (
        ("account", "account = :user"),
        ("address", "account IS NULL AND lower(recipient) = :user"),
    )
}
# Longer than any run of the flush: until then a row that it refused is not due (redelivery/sending.REFUSED_AGAIN).
_REFUSED_WITHIN = HOUR
_BRING_NEAR = Statement(
    f"""UPDATE owed SET next_attempt = 0 WHERE id IN (
        SELECT id FROM owed WHERE domain IN (SELECT id FROM domain) AND state IN ('owed', 'in_doubt')
            AND next_attempt > :farthest AND next_attempt < {NEVER}
            AND (run = 0 OR next_attempt > :farthest_refused) LIMIT :step)"""
)
_WITH_OWED = Statement(
    """SELECT id FROM domain WHERE EXISTS (
        SELECT 1 FROM owed WHERE owed.domain = domain.id AND owed.state IN ('owed', 'in_doubt'))"""
)

Place = tuple[int, int]  # next_attempt and id of the last row of a page
START: Place = (-1, 0)  # before what is due as soon as home is up, whose next_attempt is 0


@dataclass(frozen=True, slots=True)
class Due:
    """A row that is due, with the octets of its message. ``user`` is whose mail it is: an account, or an address
    without one."""

    id: int
    user: int | str
    place: Place
    size: int = 0


def due(tx: Transaction, domain: int, after: Place, *, spared: Collection[int] = ()) -> list[Due]:
    """Returns up to PAGE rows behind ``after``, those first that have been due for longest, without those of the
    accounts in ``spared``."""
    after_attempt, after_id = after
    rows = tx.all(_DUE, domain=domain, now=tx.now, next_attempt=after_attempt, id=after_id, page=PAGE, spared=spared)
    return [_due(*row) for row in rows]


def of_user(tx: Transaction, domain: int, user: int | str, first: int) -> list[Due]:
    """Returns up to OF_USER rows of this `Due.user` that are due, from the id ``first`` on, the oldest first."""
    values = {"user": user} if isinstance(user, int) else {"user": user, "domain": domain}
    return [_due(*row) for row in tx.all(_OF_USER[_kind(user)], first=first, now=tx.now, page=OF_USER, **values)]


def _due(id_: int, account: int | None, address: str, next_attempt: int, size: int) -> Due:
    return Due(id_, address if account is None else account, (next_attempt, id_), size)


def _kind(user: int | str) -> str:
    return "account" if isinstance(user, int) else "address"


def next_due(tx: Transaction, domain: int, *, spared: Collection[int] = ()) -> int | None:
    """Returns in how many µs the next row of the domain is due that is of no account in ``spared``.

    It is negative where it is due already, and None if nothing is owed but what is kept (NEVER).
    """
    earliest = tx.value(_NEXT, domain=domain, spared=spared)
    return None if earliest is None or earliest >= NEVER else int(earliest) - tx.now


def make_due(tx: Transaction, domain: int) -> int:
    """Makes up to STEP rows due that are plainly owed, because their home server recovers.

    It returns how many. Call it again while that is STEP.
    """
    return tx.run(_MAKE_DUE, domain=domain, step=STEP)


def make_next_due(tx: Transaction, domain: int, run: int) -> bool:
    """Makes the row due that would be next, none that this ``run`` was refused, and returns whether there is one."""
    return tx.run(_MAKE_NEXT_DUE, domain=domain, run=run) > 0


def put_off(tx: Transaction, domain: int, user: int | str, next_attempt: int) -> int:
    """Has up to STEP rows of this `Due.user` wait until ``next_attempt``.

    Returns how many: call it again while that is STEP.
    """
    return tx.run(_PUT_OFF[_kind(user)], domain=domain, user=user, next=next_attempt, now=tx.now, step=STEP)


def bring_near(tx: Transaction, longest: int) -> int:
    """Makes up to STEP rows due whose next attempt is farther away than ``longest`` µs: a wrong clock had put them off.

    It returns how many. Call it again while that is STEP.
    """
    farthest = tx.now + longest
    refused = max(farthest, tx.now + _REFUSED_WITHIN)
    return tx.run(_BRING_NEAR, farthest=farthest, farthest_refused=refused, step=STEP)


def domains_with_owed(tx: Transaction) -> list[int]:
    """Returns the ids of the domains to whose home server anything is owed."""
    return [row[0] for row in tx.all(_WITH_OWED)]
