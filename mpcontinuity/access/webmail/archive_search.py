"""A user's own mail of the archive: found, and one message of it by its id. Nobody else's is found by any question."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from mpcontinuity.access.webmail.signed_in import Visit
from mpcontinuity.accounts import users
from mpcontinuity.archive import archived
from mpcontinuity.archive.archived import Archived
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.search import ArchivedRow
from mpcontinuity.archive.search import search as find
from mpcontinuity.children.pool import Died
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import from_iso
from mpcontinuity.model.errors import Refused, Temporary


@dataclass(frozen=True, slots=True)
class Row:
    """A message of the archive as a list shows it. ``time`` is in µs; ``sent`` says that the user sent it."""

    id: str
    time: int
    sent: bool
    sender: str
    recipients: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of the archive, the newest first. ``after`` is the id behind which the next goes on; empty at the end.
    ``unsearched`` messages are in no index yet."""

    rows: tuple[Row, ...]
    after: str
    unsearched: int


async def search(visit: Visit, query: Query, limit: int, after: str = "") -> Rows:
    """Returns up to ``limit`` messages of the user's that the query finds, behind the one with the id ``after``.

    Raises Refused and Temporary.
    """
    found = await _find(visit, query, limit, identifier.parse(after) if _is_id(after) else 0)
    rows = tuple(_row(one) for one in found[0])
    return Rows(rows, rows[-1].id if found[1] and rows else "", found[2])


async def own(visit: Visit, shown: str) -> tuple[Archived, Row]:
    """Returns a message of the archive that is the user's. Raises Refused, in one way, for any other."""
    if _is_id(shown):
        id_ = identifier.parse(shown)
        rows, _, _ = await _find(visit, Query(ids=frozenset({id_})), 1, 0)
        if rows:
            found = await visit.services.control.store.read(partial(archived.find, ids=[id_]))
            if found:
                return found[0], _row(rows[0])
    raise Refused(visit.said("There is no such message in your archive"), "unknown")


async def _find(visit: Visit, query: Query, limit: int, after: int) -> tuple[list[ArchivedRow], bool, int]:
    control, user = visit.services.control, visit.user
    theirs = await control.store.read(partial(users.keys_since, account=user.id))
    whose = Whose(user.domain, frozenset(theirs), theirs)  # of no domain that was removed and had the same name
    await control.searches.acquire()
    try:
        found = await find(control.store, control.jobs, query, whose, limit, after)
    except Died as error:
        raise Temporary(str(error)) from None
    finally:
        control.searches.release()
    return found.rows, found.more, found.unsearched


def _row(one: ArchivedRow) -> Row:
    sent = one.direction == "outbound"
    return Row(one.id, from_iso(one.time), sent, one.sender, tuple(one.recipients), one.subject)


def _is_id(text: str) -> bool:
    try:
        return bool(identifier.parse(text))
    except ValueError:
        return False
