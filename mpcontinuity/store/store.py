"""The store: transactions in groups, snapshots to read, and message bodies that are durable before they are named."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from mpcontinuity.model import settings as model_settings
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.errors import Refused, Stopping
from mpcontinuity.model.events import Notice
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.bodies import references
from mpcontinuity.store.bodies.bodies import Bodies
from mpcontinuity.store.bodies.database import InDatabase
from mpcontinuity.store.bodies.draft import Draft, Room
from mpcontinuity.store.bodies.files import Files
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.packs import FOLDER, Packs
from mpcontinuity.store.disk import Disk
from mpcontinuity.store.driver import Driver
from mpcontinuity.store.engine import Engine, EngineSetup, Stage
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.job import Job
from mpcontinuity.store.lock import Lock, lock
from mpcontinuity.store.nodes import Nodes
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.sqlite.driver import DATABASE, SqliteDriver, check_version
from mpcontinuity.store.sqlite.engine import SqliteEngine
from mpcontinuity.store.sqlite.upgrade import upgrade
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")
Item = TypeVar("Item")
MESSAGES = ("files", "database")
Listener = Callable[[Sequence[Notice]], None]

_log = Logger()


class Store:
    """The store as the layers above use it. Every Deferred fires in the reactor thread, in the order of the commits."""

    def __init__(
        self,
        packs: Packs,
        engine: Callable[[EngineSetup], Engine],
        *,
        messages: str,
        clock: Clock,
        identifiers: Identifiers,
        randomness: Randomness,
        runner: Runner,
        room: Room,
        lock: Lock | None,
        reactor_call: Callable[..., None],
    ) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.figures = figures = Figures()
        self.packs = packs
        self._lock = lock
        self._reactor_call = reactor_call
        self._listeners: list[Listener] = []
        self._closing: Deferred[None] | None = None
        self._engine = engine(
            EngineSetup(
                clock=clock,
                identifiers=identifiers,
                randomness=randomness,
                runner=runner,
                figures=figures,
                reactor_call=reactor_call,
                callbacks=self,
            )
        )
        self.election = self._engine.election
        self.steady = self._engine.steady
        self.nodes = Nodes(self.election, identifiers)
        packs.node = self.nodes.us
        self._readers = self._engine.readers
        self.bodies: Bodies
        if messages == "database":
            self.bodies = InDatabase(
                packs,
                room=room,
                clock=clock,
                background=self._readers.call,
                snapshot=self._readers.snapshot,
                submit=self._engine.submit,
            )
        else:
            self.bodies = Files(
                packs,
                room=room,
                runner=runner,
                clock=clock,
                background=self._readers.call,
                snapshot=self._readers.snapshot,
                submit=self._engine.submit,
                reactor_call=reactor_call,
                election=self.election,
            )
        figures.waiting = self._engine.waiting
        figures.spooled = lambda: self.bodies.spooled

    def trusts_time(self, span: int) -> bool:
        """Returns whether no clock that matters has jumped of late (`Clock.trusted`).

        These are this process's clock and the one that transactions go by. ``span`` is in µs.
        """
        return self.clock.trusted(span) and (self.steady is None or self.steady.trusted(span))

    def run(self, work: Callable[[Transaction], T], *, bulk: bool = False) -> Deferred[T]:
        """Does ``work`` in a transaction, and fires with what it returned after the commit.

        Fails with Temporary, Full, or what ``work`` raised. ``bulk`` work waits for other work.
        """
        if self._closing is not None:
            return fail(Stopping())
        deferred: Deferred[T] = Deferred()
        self._engine.submit(Job(work, deferred, bulk=bulk))
        return deferred

    def read(self, work: Callable[[Transaction], T]) -> Deferred[T]:
        """Does ``work`` in a snapshot of its own, beside the writer, and fires with what it returned.

        The work reads at most 1,000 rows and takes at most 50 ms, because few threads read for everybody.
        """
        if self._closing is not None:
            return fail(Stopping())
        return self._readers.read(work)

    def keep(
        self, draft: Draft, head: Head, work: Callable[[Transaction, Body], T], *, keep_until: int = 0
    ) -> Deferred[T]:
        """Makes the draft durable, then does ``work`` in the transaction that inserts its row of `body`.

        ``keep_until`` is that row's: a time in µs, or 0 where the message is then owed or in a mailbox.
        """
        if self._closing is not None:
            return fail(Stopping())
        deferred: Deferred[T] = Deferred()
        self.bodies.keep_for(draft, head, deferred, lambda body: Job(partial(_index, work, keep_until, body), deferred))
        return deferred

    def run_grouped(self, work: Callable[[Transaction, list[Item]], Sequence[T]], item: Item) -> Deferred[T]:
        """Does what many do at a time: ``work`` is done once for all who wait for it, with the list of their items.

        Otherwise it is as `run`. The work returns a value for each item, in their order. When it raises, it is done
        again for each item alone.
        """
        if self._closing is not None:
            return fail(Stopping())
        deferred: Deferred[T] = Deferred()
        self._engine.submit(Job(work, deferred, item=item))
        return deferred

    def keep_grouped(
        self, draft: Draft, head: Head, work: Callable[[Transaction, list[tuple[Body, Item]]], Sequence[T]], item: Item
    ) -> Deferred[T]:
        """Makes the draft durable, then does as `run_grouped`.

        The work gets each item with its body, and inserts that one's row.
        """
        if self._closing is not None:
            return fail(Stopping())
        deferred: Deferred[T] = Deferred()
        self.bodies.keep_for(draft, head, deferred, lambda body: Job(work, deferred, item=(body, item)))
        return deferred

    def listen(self, listener: Listener) -> None:
        """Has ``listener`` called after each commit that announced something, in the reactor thread.

        That is before the Deferreds of that commit fire.
        """
        self._listeners.append(listener)

    def close(self) -> Deferred[None]:
        """Ends what was begun, then closes. Fires when the data folder is free for another process."""
        if self._closing is None:
            self._closing = Deferred()
            self._stop(self.bodies, *self._engine.stages)
        return self._closing

    def _stop(self, *stages: Stage) -> None:
        """One after the other, each in the thread of the one before: what one still hands on, the next still takes."""
        if stages:
            stages[0].stop(partial(self._stop, *stages[1:]))
        else:
            self._close()

    def _close(self) -> None:
        self._engine.close()
        self.packs.close()
        if self._lock is not None:
            self._lock.release()
        assert self._closing is not None
        self._reactor_call(self._closing.callback, None)

    def prelude(self, tx: Transaction) -> Callable[[], None] | None:
        """EngineCallbacks.prelude."""
        done = [each for each in (self.nodes.record(tx), self.packs.record_new(tx)) if each is not None]
        return partial(_each, done) if done else None

    def settle(self, jobs: Sequence[Job]) -> None:
        """EngineCallbacks.settle."""
        self._reactor_call(self._fire, jobs)

    def heard(self, notices: Sequence[Notice]) -> None:
        """EngineCallbacks.heard."""
        for listener in self._listeners:
            try:
                listener(notices)
            except Exception:
                _log.failure("a listener failed")

    def _fire(self, jobs: Sequence[Job]) -> None:
        notices = list(dict.fromkeys(notice for job in jobs if job.error is None for notice in job.notices))
        if notices:
            self.heard(notices)
        for job in jobs:
            if job.error is None:
                job.deferred.callback(job.value)
            else:
                job.deferred.errback(job.error)


def _index(work: Callable[[Transaction, Body], T], keep_until: int, body: Body, tx: Transaction) -> T:
    references.insert_body(tx, body, keep_until)
    return work(tx, body)


def _each(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()


def open_store(
    folder: Path,
    settings: model_settings.Store,
    *,
    clock: Clock,
    randomness: Randomness,
    runner: Runner,
    disk: Disk,
    driver: Driver | None = None,
    room: Room | None = None,
    reactor_call: Callable[..., None],
) -> Store:
    """Opens the store in a data folder, and creates or upgrades it. Raises Refused with what would work.

    ``driver`` replaces the database in the folder, lock and schema included: a simulation brings its own.
    """
    if settings.messages not in MESSAGES:
        raise Refused(f"[store] messages = {settings.messages!r}: this version knows 'files' and 'database'")
    held = None
    engine: Callable[[EngineSetup], Engine]
    if settings.database != "sqlite":
        engine = _postgresql(settings.database, driver)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        if driver is None:
            held, driver = _sqlite(folder)
        engine = partial(SqliteEngine, driver)
    identifiers = Identifiers(clock, randomness)
    packs = Packs(folder / FOLDER, disk, identifiers, clock)
    if settings.database == "sqlite":  # else another process may be receiving them (upkeep/reconcile.py)
        packs.drop_spools()
    return Store(
        packs,
        engine,
        messages=settings.messages,
        clock=clock,
        identifiers=identifiers,
        randomness=randomness,
        runner=runner,
        room=room or Room(),
        lock=held,
        reactor_call=reactor_call,
    )


def _sqlite(folder: Path) -> tuple[Lock, Driver]:
    """The database in the folder, which is ours alone."""
    check_version()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = lock(folder)
    _make_private(folder / DATABASE)
    try:
        upgrade(folder / DATABASE)
    except BaseException:
        held.release()
        raise
    return held, SqliteDriver(folder / DATABASE)


def _make_private(database: Path) -> None:
    """The folder may have been made by others, open to all. SQLite gives what it makes beside a database its mode."""
    with suppress(OSError):  # what is wrong with it is said where it is opened
        descriptor = os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def _postgresql(url: str, driver: Driver | None) -> Callable[[EngineSetup], Engine]:
    """A database that other processes may use at the same time."""
    # Imported here: most servers run on SQLite, and psycopg takes a twentieth of a second.
    from mpcontinuity.store.postgresql import upgrade as postgresql_upgrade
    from mpcontinuity.store.postgresql.driver import PostgresqlDriver
    from mpcontinuity.store.postgresql.engine import PostgresqlEngine

    if not isinstance(driver, PostgresqlDriver):
        try:
            driver = PostgresqlDriver(url)
        except ValueError as error:
            raise Refused(f"[store] database: {error}") from None
        driver.check()
        postgresql_upgrade.check(driver)
    return partial(PostgresqlEngine, driver)
