"""The connection that hears other processes and holds what is elected: LISTEN and advisory locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import psycopg
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from mpcontinuity.model.events import Everything, Notice
from mpcontinuity.store.notices import decode
from mpcontinuity.store.postgresql.driver import PostgresqlDriver
from mpcontinuity.store.postgresql.errors import translate
from mpcontinuity.store.postgresql.notifier import CHANNEL
from mpcontinuity.store.runner import Runner

_NAME = "listener"

# The net below lost notices (a process that was killed between its commit and its NOTIFY): whatever is remembered is
# read again so often, in seconds, where there is another process.
_POLL = 60.0
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name IN (%s, 'mpcontinuity ear')"  # of the version before
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)

# Advisory locks of one bigint, put together again.
_HELD = (
    "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

_RETRY = 0.2  # s between attempts to connect again
_ALIVE = 5.0  # s of silence after which the connection is tried

_log = Logger()


class NotificationListener:
    """Hears what other processes announce, and is the Election of this one: both need a connection that stays.

    Its thread alone uses that connection. Without threads nothing is heard.
    """

    alone = False

    def __init__(
        self,
        driver: PostgresqlDriver,
        runner: Runner,
        sender: int,
        heard: Callable[[Sequence[Notice]], None],
        reactor_call: Callable[..., None],
    ) -> None:
        """``heard`` is called in the reactor thread. Raises psycopg.Error where the server is away now."""
        self._driver = driver
        self._sender = sender
        self._heard = heard
        self._reactor_call = reactor_call
        self._lost: list[Callable[[], None]] = []
        self._held: set[int] = set()
        self._kept: set[int] = set()
        self._commands: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._stopped: Callable[[], None] | None = None
        self._stopping = False
        self._others = False
        self._polled = time.monotonic()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.since = 0.0  # Watched (watchdog.py)
        self._connection: psycopg.Connection[Any] | None = self._connect()
        driver.watchdog.watch(self)
        self.threaded = runner.thread("store-listener", self._loop)  # else nothing is heard

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        """Asks PostgreSQL for the advisory lock of that name; fires as `Election.hold` does."""
        key = advisory(kind, number)
        if key in self._held:
            return succeed(True)
        deferred: Deferred[bool] = Deferred()
        self._command(partial(self._try, key, deferred))
        return deferred

    def keep(self, kind: str, number: int) -> None:
        """Asks for the lock again and again until this process has it, as `Election.keep` says."""
        self._kept.add(advisory(kind, number))
        self._command(self._take_kept)

    def release(self, kind: str, number: int) -> None:
        """Gives the lock back, as `Election.release` says."""
        self._command(partial(self._release, advisory(kind, number)))

    def held(self, kind: str, numbers: Collection[int]) -> Deferred[set[int]]:
        """Looks up which of these locks any process has; fires as `Election.held` does."""
        deferred: Deferred[set[int]] = Deferred()
        self._command(partial(self._look, {advisory(kind, number): number for number in numbers}, deferred))
        return deferred

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Has ``callback`` called when the connection, and every lock with it, is lost (`Election.on_lost`)."""
        self._lost.append(callback)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Gives up all that is held, closes the connection, and calls ``stopped``."""
        self._stopped = stopped
        self._stopping = True
        if self.threaded:
            self._wake()
        else:
            self._end()

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        if self.threaded:
            self._wake()
        else:
            self._obey()

    def _wake(self) -> None:
        with self._lock:
            if self._wake_write >= 0:
                with contextlib.suppress(BlockingIOError):  # it is awake
                    os.write(self._wake_write, b"!")

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        with self._lock:
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_read = self._wake_write = -1
        assert self._stopped is not None
        self._stopped()

    def _loop(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except (psycopg.Error, OSError) as error:
                self._is_lost(error)
            except Exception:
                _log.failure("listening failed")
                self._is_lost(RuntimeError("listening failed"))
        self._obey()
        self._end()

    def _turn(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
            self._deliver([Everything()])
        self._obey()
        self._take_kept()
        connection = self._connection
        ready, _, _ = select.select([connection.fileno(), self._wake_read], [], [], _ALIVE)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if connection.fileno() in ready:
            pgconn = connection.pgconn
            pgconn.consume_input()
            notices: list[Notice] = []
            while (notify := pgconn.notifies()) is not None:
                self._take(bytes(notify.extra), notices)
            self._deliver(notices)
        elif not ready or time.monotonic() - self._polled > _POLL:
            self._poll(connection)

    def _poll(self, connection: psycopg.Connection[Any]) -> None:
        """Whether the connection is alive, and whether there are others who could have told us something."""
        ((count,),) = self._ask(connection, _OTHERS, f"mpcontinuity {_NAME}")
        if time.monotonic() - self._polled > _POLL:
            self._polled = time.monotonic()
            others = bool(count)
            if others or self._others:
                self._deliver([Everything()])
            self._others = others

    def _ask(self, connection: psycopg.Connection[Any], question: str, *parameters: object) -> list[tuple[Any, ...]]:
        self.since = time.monotonic()
        try:
            return connection.execute(question.encode(), parameters).fetchall()
        finally:
            self.since = 0.0

    def descriptor(self) -> int:
        """Returns the descriptor of its socket, as `Watched` has it."""
        connection = self._connection
        return -1 if connection is None or connection.closed else connection.fileno()

    def _connect(self) -> psycopg.Connection[Any]:
        connection = self._driver.open(_NAME)
        # a notice that comes while something else is asked
        connection.add_notify_handler(lambda notify: self._deliver(self._take(notify.payload, [])))
        connection.execute(f"LISTEN {CHANNEL}".encode())
        return connection

    def _take(self, payload: str | bytes, notices: list[Notice]) -> list[Notice]:
        sender, decoded = decode(payload)
        if sender != self._sender:
            notices += decoded
        return notices

    def _deliver(self, notices: Sequence[Notice]) -> None:
        if notices:
            self._reactor_call(self._heard, list(dict.fromkeys(notices)))

    def _is_lost(self, error: Exception) -> None:
        if self._connection is not None:
            _log.warn("other processes are not heard: {error}", error=" ".join(str(error).split()))
            self._connection.close()
            self._connection = None
            held, self._held = self._held, set()
            if held:
                for callback in self._lost:
                    self._reactor_call(callback)
        self._obey()
        select.select([self._wake_read], [], [], _RETRY)

    def _obey(self) -> None:
        while self._commands:
            self._commands.popleft()()

    def _try(self, key: int, deferred: Deferred[bool]) -> None:
        try:
            ours = self._is_ours(key)
        except psycopg.Error:
            self._reactor_call(deferred.callback, False)
            raise
        self._reactor_call(deferred.callback, ours)

    def _is_ours(self, key: int) -> bool:
        """Also when it is so from now on."""
        if key not in self._held and self._connection is not None:
            ((ours,),) = self._ask(self._connection, "SELECT pg_try_advisory_lock(%s)", key)
            if ours:
                self._held.add(key)
        return key in self._held

    def _take_kept(self) -> None:
        """Again at every turn: after a loss the server may go on for a while to believe in the connection before."""
        for key in self._kept - self._held:
            self._is_ours(key)

    def _look(self, numbers: dict[int, int], deferred: Deferred[set[int]]) -> None:
        """``numbers`` by the key of their lock."""
        try:
            if self._connection is None:
                raise psycopg.OperationalError("there is no connection")
            held = {row[0] for row in self._ask(self._connection, _HELD)}
        except psycopg.Error as error:
            self._reactor_call(deferred.errback, translate(error))
            if self._connection is not None:
                raise
        else:
            self._reactor_call(deferred.callback, {numbers[key] for key in held & numbers.keys()})

    def _release(self, key: int) -> None:
        if key in self._held and self._connection is not None:
            self._held.discard(key)
            self._ask(self._connection, "SELECT pg_advisory_unlock(%s)", key)


def advisory(kind: str, number: int) -> int:
    """Returns the key of the advisory lock that stands for something that is elected."""
    digest = hashlib.blake2b(f"{kind}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
