"""What takes long and was begun by a form: it goes on where the browser goes away, and has a page that tells of it.

The form answers with that page (``Runs.begin``), which may be loaded again, by whichever process, until the run is
forgotten. How far it has come is noted in the store while it runs. A run whose process has ended is told so: no news.
All functions that take a transaction are work for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.admin.portal.signed_in import Visit
from mpcontinuity.control.heard import Heard
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import DAY, MINUTE, SECOND, iso
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import explained

LASTS: Final = 30 * DAY  # after its beginning, a run may be looked at
MOST: Final = 200  # runs of an administrator: the last ones
MOST_AT_ONCE: Final = 3  # of an administrator: each takes connections of home, or a thread
LONGEST: Final = 512 * 1024  # characters of a result: what came of a thousand lines or so
NOTED_EVERY: Final = SECOND  # of progress: a transaction each
ALIVE: Final = (
    5 * MINUTE
)  # a run that has said nothing for so long has met a slow home server, or its process has ended
_STEP: Final = 50  # rows that are dropped by one beginning, or by one step of a sweep

_BEGIN = Statement(
    """INSERT INTO page_run (id, administrator, operation, about, begun, seen)
    VALUES (:id, :administrator, :operation, :about, :now, :now)"""
)
_NOTE = Statement("UPDATE page_run SET said = :said, seen = :now WHERE id = :id AND ended = 0")
_END = Statement("UPDATE page_run SET result = :result, failed = :failed, seen = :now, ended = :now WHERE id = :id")
_DROP = Statement("DELETE FROM page_run WHERE id = :id")
_FIND = Statement(
    """SELECT about, begun, seen, ended, said, result, failed FROM page_run
    WHERE id = :id AND administrator = :administrator AND operation = :operation"""
)
_UNDER_WAY = Statement(
    "SELECT COUNT(*) FROM page_run WHERE administrator = :administrator AND ended = 0 AND seen > :since"
)
_OLD = Statement(
    """DELETE FROM page_run WHERE id IN (
        SELECT id FROM page_run WHERE begun < :before ORDER BY begun LIMIT :step)"""
)
_TOO_MANY = Statement(
    """DELETE FROM page_run WHERE id IN (
        SELECT id FROM page_run WHERE administrator = :administrator AND ended <> 0
        ORDER BY id DESC LIMIT :step OFFSET :most)"""
)

_log = Logger()

Work = Callable[[Control], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its page shows it. ``about`` is what it was begun with; ``said`` the last that it said of its
    progress, and ``result`` what it returned, both as JSON shows them, None where there is nothing. ``failed`` is why
    it ended before its end, as a sentence. ``silent``: it has not ended, and nothing was heard of it for `ALIVE`.
    Times are ISO 8601; ``ended`` is empty while it runs.
    """

    id: str
    about: dict[str, Any]
    begun: str
    seen: str
    ended: str
    said: Any
    result: Any
    failed: str
    silent: bool

    @property
    def under_way(self) -> bool:
        """Whether there is more to come."""
        return not self.ended


async def begin(visit: Visit, operation: str, about: dict[str, Any], work: Work) -> str:
    """Begins ``work`` in the name of the administrator, and returns the id of the run.

    ``work`` is called with the control that it tells its progress to, and returns a Struct, or values of JSON.
    ``operation`` is what it is called, and ``about`` what its page needs to say what it is done for. Raises Refused
    where too many runs are under way, and what the work raises before it has said anything.
    """
    store = visit.control.store
    run: int = await store.run(
        partial(_begin, administrator=visit.name, operation=operation, about=msgspec.json.encode(about).decode())
    )
    running = Heard(visit.control, work)
    try:
        await running.first()
    except BaseException:
        await store.run(partial(_drop, run=run))
        raise
    shown = identifier.show(run)
    following = Deferred.fromCoroutine(_follow(store, run, running))
    following.addErrback(lambda failure: _log.failure("what came of run {run} is not known", failure, run=shown))
    await store.read(_nothing)  # a moment, in which little work is done
    if running.ended:
        await following  # so that its page says at once what came of it
    return shown


async def find(visit: Visit, operation: str, shown: str) -> Run:
    """Returns a run of the administrator. Raises Refused where there is none with that id."""
    try:
        run = identifier.parse(shown.lower())
    except ValueError as error:
        raise Refused(str(error)) from None
    return await visit.control.store.read(partial(_find, administrator=visit.name, operation=operation, run=run))


async def sweep(store: Store) -> None:
    """Forgets runs of long ago, in steps of the bulk lane, also where nobody begins one any more. Raises Temporary."""
    before = store.clock.now() - LASTS
    while await store.run(partial(_forget, before=before), bulk=True) == _STEP:
        pass


async def _follow(store: Store, run: int, running: Heard) -> None:
    """Notes what the run says, now and then, and how it ends. What cannot be noted of its progress is left out."""
    failed, noted = "", 0
    try:
        async for said in running.pieces():
            now = store.clock.now()
            if not 0 <= now - noted < NOTED_EVERY:
                noted = now
                await _try_to_note(store, run, said)
    except Exception as error:
        if not isinstance(error, Refused | Temporary | Stopping):
            _log.failure("a run that a form began failed")
        failed = explained(error)[1]
    result = "" if failed else msgspec.json.encode(running.result).decode()
    if len(result) > LONGEST:
        result, failed = "", "It is done; what came of it is too long to be shown."
    await store.run(partial(_end, run=run, result=result, failed=failed))


async def _try_to_note(store: Store, run: int, said: Any) -> None:
    with suppress(Temporary, Stopping):
        await store.run(partial(_note, run=run, said=msgspec.json.encode(said).decode()))


def _nothing(tx: Transaction) -> None:
    """Reads nothing."""


def _begin(tx: Transaction, administrator: str, operation: str, about: str) -> int:
    if tx.value(_UNDER_WAY, administrator=administrator, since=tx.now - ALIVE) >= MOST_AT_ONCE:
        raise Refused(f"{MOST_AT_ONCE} of what you have begun is still under way; wait for one of it", "conflict")
    _forget(tx, tx.now - LASTS)
    tx.run(_TOO_MANY, administrator=administrator, step=_STEP, most=MOST)
    run = tx.identifier()
    tx.run(_BEGIN, id=run, administrator=administrator, operation=operation, about=about, now=tx.now)
    return run


def _forget(tx: Transaction, before: int) -> int:
    return tx.run(_OLD, before=before, step=_STEP)


def _note(tx: Transaction, run: int, said: str) -> None:
    tx.run(_NOTE, id=run, said=said, now=tx.now)


def _end(tx: Transaction, run: int, result: str, failed: str) -> None:
    tx.run(_END, id=run, result=result, failed=failed, now=tx.now)


def _drop(tx: Transaction, run: int) -> None:
    tx.run(_DROP, id=run)


def _find(tx: Transaction, administrator: str, operation: str, run: int) -> Run:
    row = tx.one(_FIND, id=run, administrator=administrator, operation=operation)
    if row is None:
        raise Refused("there is no such run, or it is long past", "unknown")
    about, begun, seen, ended, said, result, failed = row
    return Run(
        identifier.show(run),
        msgspec.json.decode(about),
        iso(begun),
        iso(seen),
        iso(ended) if ended else "",
        msgspec.json.decode(said) if said else None,
        msgspec.json.decode(result) if result else None,
        failed,
        silent=not ended and seen <= tx.now - ALIVE,
    )
