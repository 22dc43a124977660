"""PostgreSQL by psycopg (docs/decisions/0005-postgresql.md): its connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg.adapt import AdaptersMap, Buffer
from psycopg.pq import TransactionStatus
from psycopg.types.bool import BoolBinaryLoader
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrBinaryDumper
from twisted.logger import Logger

from mpcontinuity.model.clock import SECOND, Clock, Steady
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.driver import Connection
from mpcontinuity.store.postgresql.errors import one_line, translate
from mpcontinuity.store.postgresql.url import conninfo, shown
from mpcontinuity.store.postgresql.watchdog import Watchdog

MINIMUM_VERSION = 13  # pg_current_xact_id and pg_xact_status

# Texts prepared per connection, from their second execution: all that the product has, pieces of Rows included.
_PREPARED = 2000
_PREPARE_AFTER = 2

# A server that cannot be reached is tried again after so many seconds, doubled up to the second number; whoever asks
# meanwhile is told at once, instead of waiting for a connection that will not come.
_BACKOFF = (0.1, 2.0)

# A lock that does not come is another node's that hangs: its session ends by the last line, ours tries again.
_SESSION = """
    SET lock_timeout = '10s';
    SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""

_log = Logger()


class _Text(StrBinaryDumper):
    """PostgreSQL has no NUL in a text; what a stranger's header field has there becomes U+FFFD."""

    def dump(self, obj: str) -> Buffer | None:
        return (obj.replace("\0", "\ufffd") if "\0" in obj else obj).encode()


class _Number(NumericBinaryLoader):
    """SUM over bigint is numeric, and an integer all the same."""

    def load(self, data: Buffer) -> Any:
        return int(super().load(data))


class _Truth(BoolBinaryLoader):
    """0 or 1, as in SQLite."""

    def load(self, data: Buffer) -> Any:
        return int(super().load(data))


def _adapters() -> AdaptersMap:
    """One dumper per type: int2, int4 and int8 by size would prepare every statement many times over."""
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, Int8BinaryDumper)
    adapters.register_dumper(str, _Text)
    adapters.register_loader("numeric", _Number)
    adapters.register_loader("bool", _Truth)
    return adapters


class _Context:
    """Gives our adapters to a connection."""

    adapters = _adapters()
    connection = None


class PostgresqlCursor:
    """A cursor that counts changed rows for its connection."""

    __slots__ = ("_connection", "_cursor", "_execute")

    def __init__(self, connection: PostgresqlConnection, cursor: psycopg.Cursor[Any]) -> None:
        self._connection = connection
        self._cursor = cursor
        self._execute = cursor.execute

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def execute(self, text: str, parameters: Mapping[str, Any] | Sequence[Any] = (), /) -> Any:
        self._connection.since = time.monotonic()
        try:
            self._execute(cast("Any", text), parameters)
        finally:
            self._connection.since = 0.0
        self._count()

    def executemany(self, text: str, rows: Iterable[Mapping[str, Any]], /) -> Any:
        self._connection.since = time.monotonic()
        try:
            self._cursor.executemany(cast("Any", text), list(rows))
        finally:
            self._connection.since = 0.0
        self._count()

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall() if self._cursor.description is not None else []

    def _count(self) -> None:
        if (self._cursor.statusmessage or "S")[0] in "IUD":  # INSERT, UPDATE, DELETE
            self._connection.total_changes += self._cursor.rowcount


class PostgresqlConnection:
    """A connection that is opened when it is needed, and again after it was lost. One thread uses it at a time."""

    def __init__(self, driver: PostgresqlDriver, name: str = "") -> None:
        self._driver = driver
        self._name = name
        self._opened: psycopg.Connection[Any] | None = None
        self._cursor: PostgresqlCursor | None = None
        self.total_changes = 0
        self.incarnation = 0  # of the server's memory (see `committed`)
        self.since = 0.0  # Watched
        driver.watchdog.watch(self)

    def open(self) -> psycopg.Connection[Any]:
        """Returns the open connection. Raises psycopg.Error where the server is away."""
        if self._opened is None or self._opened.closed:
            self._cursor = None
            self._opened = self._driver.open(self._name)
            self.since = time.monotonic()
            try:
                self.incarnation = self._driver.incarnation(self._opened)
            finally:
                self.since = 0.0
        return self._opened

    def descriptor(self) -> int:
        """Returns the descriptor of its socket, as `Watched` has it."""
        opened = self._opened
        return -1 if opened is None or opened.closed else opened.fileno()

    @property
    def lost(self) -> bool:
        """Says whether there is no open connection."""
        return self._opened is None or bool(self._opened.closed)

    @property
    def in_transaction(self) -> bool:
        return not self.lost and self._status() is not TransactionStatus.IDLE

    @property
    def failed(self) -> bool:
        """Says whether a statement of the transaction failed, so that it can only be rolled back."""
        return not self.lost and self._status() is TransactionStatus.INERROR

    def cursor(self) -> PostgresqlCursor:
        opened = self.open()
        if self._cursor is None:
            self._cursor = PostgresqlCursor(self, opened.cursor(binary=True))
        return self._cursor

    def begin(self, level: str, *, numbered: bool = False) -> tuple[int, int]:
        """Begins a transaction in one round trip.

        Returns the time in µs by the database's clock, and the transaction's number, which is 0 unless it is
        ``numbered``.
        """
        number = "pg_current_xact_id()::text::bigint" if numbered else "0"
        now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        opened = self.open()
        begun = self.since = time.monotonic()
        try:
            with opened.cursor() as cursor:
                cursor.execute(cast("Any", f"BEGIN ISOLATION LEVEL {level}; SELECT {now}, {number}"), prepare=False)
                cursor.nextset()
                row = cursor.fetchone()
        finally:
            self.since = 0.0
        assert row is not None
        now_there, number_there = map(int, row)
        if self._driver.clock is not None:
            return self._driver.clock.now(), number_there
        late = round((time.monotonic() - begun) * SECOND)
        return self._driver.steady.judge(now_there, late), number_there

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def drop(self) -> None:
        """Closes the connection, whatever state it is in: the next use opens it anew."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _status(self) -> TransactionStatus:
        assert self._opened is not None
        return self._opened.pgconn.transaction_status  # type: ignore[return-value]


class PostgresqlDriver:
    """Opens connections to one database. A ``clock`` that is given replaces that of the database, in tests."""

    dialect = "postgresql"
    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    shared = False

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.url = url
        self.clock = clock
        self._conninfo = conninfo(url)
        self.watchdog = Watchdog(self._conninfo)
        self.steady = Steady()  # the clock of the database, which rules leases and what is too late
        self._lock = threading.Lock()
        self._away_until = 0.0  # time.monotonic
        self._delay = _BACKOFF[0]
        self._away = ""  # why

    def connect(self, *, writes: bool) -> Connection:
        return PostgresqlConnection(self, "writer" if writes else "reader")

    def translate(self, error: Exception) -> Exception:
        return translate(error)

    def open(self, name: str = "") -> psycopg.Connection[Any]:
        """Opens a connection. Raises psycopg.OperationalError.

        After a failure it is raised without another try for some time, so that a server that is away is left alone.
        """
        with self._lock:
            if time.monotonic() < self._away_until:
                raise psycopg.OperationalError(self._away)
        try:
            opened = psycopg.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=_PREPARE_AFTER,
                context=_Context(),
                application_name=f"mpcontinuity {name}".strip(),
            )
            opened.prepared_max = _PREPARED
            opened.execute(_SESSION, prepare=False)
        except psycopg.Error as error:
            self._is_away(error)
            raise
        with self._lock:
            back, self._away, self._away_until, self._delay = self._away, "", 0.0, _BACKOFF[0]
        if back:
            _log.info("the database answers again: {database}", database=shown(self.url))
        return opened

    def incarnation(self, opened: psycopg.Connection[Any]) -> int:
        """Returns a number that changes when the server crashed or a standby took over, as `committed` must know.

        It stands in an unlogged table, which is empty after that.
        """
        with opened.cursor() as cursor:
            cursor.execute("SELECT to_regclass('incarnation')")
            if cursor.fetchone() == (None,):
                return 0  # a schema that is not there yet
            cursor.execute(
                "INSERT INTO incarnation (one, number) SELECT 1, (random() * 9e15)::bigint + 1"
                " WHERE NOT EXISTS (SELECT 1 FROM incarnation) ON CONFLICT DO NOTHING"
            )
            cursor.execute("SELECT number FROM incarnation")
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def committed(self, number: int, incarnation: int, patience: float) -> bool | None:
        """Returns whether the transaction of that number is committed; None where nobody knows.

        It is asked, for up to ``patience`` seconds, when a COMMIT was not answered. After a crash numbers that never
        reached the log are given out again, and pg_xact_status would answer for somebody else's transaction: then, and
        only then, the incarnation is another.
        """
        until = time.monotonic() + patience
        while True:
            try:
                with self.open() as opened:
                    if not incarnation or self.incarnation(opened) != incarnation:
                        return None
                    row = opened.execute("SELECT pg_xact_status(%s::text::xid8)", (str(number),)).fetchone()
                status = row[0] if row else None
                if status != "in progress":
                    return {"committed": True, "aborted": False}.get(status) if status else None
            except psycopg.Error:
                pass
            if time.monotonic() > until:
                return None
            time.sleep(_BACKOFF[0])

    def check(self) -> None:
        """Raises Refused where the server cannot be reached, or is too old, or has another encoding than UTF-8."""
        try:
            with self.open() as opened:
                version = opened.info.server_version // 10000
                encoding = opened.execute("SHOW server_encoding").fetchone()
                fsync = opened.execute("SHOW fsync").fetchone()
        except psycopg.Error as error:
            raise Refused(f"[store] database: {shown(self.url)} cannot be used: {one_line(error)}") from None
        if version < MINIMUM_VERSION:
            raise Refused(f"[store] database: PostgreSQL {version} is too old: {MINIMUM_VERSION} or newer is needed")
        if encoding != ("UTF8",):
            raise Refused(f"[store] database: its encoding is {(encoding or ('unknown',))[0]}, but must be UTF8")
        if fsync == ("off",):
            _log.warn("the database runs with fsync = off: a crash of its machine loses mail that was accepted")

    def _is_away(self, error: psycopg.Error) -> None:
        with self._lock:
            new = not self._away
            self._away = one_line(error)
            self._away_until = time.monotonic() + self._delay
            self._delay = min(2 * self._delay, _BACKOFF[1])
        if new:
            _log.error("the database is away: {error}", error=self._away)
