"""Threads that read: the database in short snapshots, and packs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail

from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.driver import Connection, Cursor, Driver, Lost
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")

# Two cores serve four readers well: they wait for the disk, and for the interpreter, not for each other.
_THREADS = 4


class _Reading:
    __slots__ = ("deferred", "read")

    def __init__(self, read: Callable[[], Any], deferred: Deferred[Any]) -> None:
        self.read = read
        self.deferred = deferred


class Readers:
    """Threads that read, each with a connection of its own."""

    def __init__(
        self,
        driver: Driver,
        connections: Sequence[Connection],
        begin: Callable[[Connection], tuple[Cursor, int]],
        *,
        runner: Runner,
        identifiers: Identifiers,
        figures: Figures,
        reactor_call: Callable[..., None],
    ) -> None:
        """``begin`` begins a snapshot: a cursor in it, and the time."""
        self._driver = driver
        self._idle = deque(connections)  # one per thread: append and popleft are atomic
        self._begin = begin
        self._identifiers = identifiers
        self._figures = figures
        self._reactor_call = reactor_call
        self._worker = runner.worker("store-reader", self._handle, threads=_THREADS, most=1)

    @staticmethod
    def connect(driver: Driver) -> list[Connection]:
        """Opens as many connections as there are threads."""
        return [driver.connect(writes=False) for _ in range(_THREADS)]

    def read(self, work: Callable[[Transaction], T]) -> Deferred[T]:
        """Fires with what ``work`` returns in a read transaction of its own.

        It ends within 1,000 rows or 50 ms, so that checkpoints pass.
        """
        return self.call(lambda: self.snapshot(work))

    def call(self, read: Callable[[], T]) -> Deferred[T]:
        """Fires with what ``read`` returns in one of the threads: anything that may wait for a disk."""
        deferred: Deferred[T] = Deferred()
        try:
            self._worker.put(_Reading(read, deferred))
        except Stopping:
            return fail(Stopping())
        return deferred

    def stop(self, stopped: Callable[[], None]) -> None:
        """Does what was asked for, then calls ``stopped``."""
        self._worker.stop(stopped)

    def close(self) -> None:
        """Closes the connections, after the threads have stopped."""
        for connection in self._idle:
            connection.close()

    def _handle(self, readings: Sequence[_Reading]) -> None:
        for reading in readings:
            try:
                value = reading.read()
            except Exception as error:
                self._reactor_call(reading.deferred.errback, error)
            else:
                self._reactor_call(reading.deferred.callback, value)

    def snapshot(self, work: Callable[[Transaction], T]) -> T:
        """Returns what ``work`` returns in a read transaction of its own, in the thread that calls."""
        try:
            return self._snapshot(work)
        except Lost:  # since it was used last, perhaps: a new connection says
            return self._snapshot(work)

    def _snapshot(self, work: Callable[[Transaction], T]) -> T:
        connection = self._idle.pop()  # the one used last: its caches are warm
        begun = self._figures.monotonic()
        try:
            cursor, now = self._begin(connection)
            try:
                return work(Transaction(self._driver, cursor, now, self._identifiers))
            finally:
                if connection.in_transaction:
                    cursor.execute("ROLLBACK")
        except self._driver.errors as error:
            raise self._driver.translate(error) from error
        finally:
            self._idle.append(connection)
            self._figures.read(self._figures.monotonic() - begun)
