"""Rows of the table ``telling``: what all users of a domain are told, and how far that is. All work in a transaction.

A telling goes through the users in the order of their ids. Each step places the mail of some users and notes the last
of them in the same transaction, so that every user is told once, whatever crashes, and whoever else does the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from mpcontinuity.model.clock import DAY, MINUTE
from mpcontinuity.model.errors import Reported
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED: Final = 90 * DAY  # as long as tracking, which has the mail
STEP: Final = 500  # rows of one transaction
LEFT_ALONE: Final = MINUTE  # without a step, until somebody else takes a telling over: its process has ended
_OPEN_AT_ONCE: Final = 100


class Moved(Reported):
    """Raised when somebody else did a step of a telling meanwhile, or it has ended."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What the users of the domain with that id are told. Times are in µs; ``ended`` is 0 until all are told.

    ``by`` is who tells it, empty for the server itself. ``reached`` is the id of the last user who was told; ``last``
    is that of the last who is to be told, 0 for all. ``users`` and ``mails`` count what was put into INBOX and what was
    sent to alternate addresses.
    """

    id: int
    domain: int
    subject: str
    text: str
    by: str
    reached: int
    last: int
    users: int
    mails: int
    ended: int


_COLUMNS = "telling.id, telling.domain, subject, text, author, reached, last, users, mails, ended"
_ADD = Statement(
    """INSERT INTO telling (id, domain, outage, subject, text, author, last)
    VALUES (:id, :domain, :outage, :subject, :text, :by, :last)"""
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM telling WHERE id = :id")
# The oldest of each domain alone: what is told of the end of an outage comes after what was told of its beginning.
_OPEN = Statement(
    f"""SELECT {_COLUMNS} FROM telling WHERE ended = 0 AND (stepped < :before OR stepped > :now) AND NOT EXISTS (
        SELECT 1 FROM telling AS older
        WHERE older.domain = telling.domain AND older.ended = 0 AND older.id < telling.id)
    ORDER BY id LIMIT :limit"""
)
_LIST = Statement(
    f"""SELECT {_COLUMNS} FROM telling WHERE (:domain = 0 OR domain = :domain) AND id < :before
    ORDER BY id DESC LIMIT :limit"""
)
_COUNT = Statement(
    "SELECT COUNT(*) FROM telling WHERE domain = :domain AND id >= :since AND (author = '') = (:by_server = 1)"
)
_ADVANCE = Statement(
    """UPDATE telling SET reached = :reached, users = users + :users, mails = mails + :mails, stepped = :now
    WHERE id = :id AND reached = :known AND ended = 0"""
)
_END = Statement("UPDATE telling SET ended = :now WHERE id = :id AND reached = :known AND ended = 0")
_CUT = Statement("UPDATE telling SET ended = :now WHERE outage = :outage AND ended = 0")
_REACHED = Statement("SELECT MAX(reached) FROM telling WHERE outage = :outage")
_FORGET = Statement(
    "DELETE FROM telling WHERE id IN (SELECT id FROM telling WHERE id < :before AND ended > 0 ORDER BY id LIMIT :step)"
)


def add(tx: Transaction, domain: int, subject: str, text: str, by: str = "", *, outage: int = 0, last: int = 0) -> int:
    """Begins a telling, and returns its id. ``outage`` is the one that it tells of, 0: none; else as in `Telling`."""
    fresh = tx.identifier()
    tx.run(_ADD, id=fresh, domain=domain, outage=outage, subject=subject, text=text, by=by, last=last)
    return fresh


def find(tx: Transaction, telling: int) -> Telling | None:
    """Returns the telling with that id, or None."""
    return tx.record(Telling, _FIND, id=telling)


def left(tx: Transaction) -> list[Telling]:
    """Returns tellings that have not ended and at which nobody was within `LEFT_ALONE`: of each domain the oldest.

    A step of a time that is to come was noted by a clock that was ahead.
    """
    return tx.records(Telling, _OPEN, before=tx.now - LEFT_ALONE, now=tx.now + LEFT_ALONE, limit=_OPEN_AT_ONCE)


def listing(tx: Transaction, *, domain: int, before: int, limit: int) -> list[Telling]:
    """Returns up to ``limit`` tellings with ids below ``before``, newest first, of the domain with the id ``domain``,
    or of all for 0."""
    return tx.records(Telling, _LIST, domain=domain, before=before, limit=limit)


def made_of_late(tx: Transaction, domain: int, *, by_server: bool) -> int:
    """Returns how many tellings of a domain began within a day: the server's own, or those of administrators."""
    return int(tx.value(_COUNT, domain=domain, since=first_at(tx.now - DAY), by_server=int(by_server)))


def advance(tx: Transaction, telling: Telling, reached: int, users: int, mails: int) -> None:
    """Notes a step, in the transaction that places its mail. Raises Moved where somebody else has done it."""
    if not tx.run(
        _ADVANCE, id=telling.id, known=telling.reached, reached=reached, users=users, mails=mails, now=tx.now
    ):
        raise Moved


def end(tx: Transaction, telling: Telling) -> bool:
    """Notes that all users are told. Returns False where somebody else has gone on with it meanwhile."""
    return tx.run(_END, id=telling.id, known=telling.reached, now=tx.now) == 1


def cut(tx: Transaction, outage: int) -> int:
    """Ends what tells of the beginning of an outage, as far as it is, and returns the id of the last user who was told;
    0 where nobody was."""
    tx.run(_CUT, outage=outage, now=tx.now)
    return int(tx.value(_REACHED, outage=outage) or 0)


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP tellings that have ended, with ids below ``before``. Returns how many."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets tellings older than REMEMBERED, in steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass
