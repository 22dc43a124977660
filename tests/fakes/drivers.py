"""Database drivers for tests: SQLite with a hook before every statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mpcontinuity.store.driver import Connection, Cursor
from mpcontinuity.store.sqlite.driver import SqliteDriver


class HookedCursor:
    def __init__(self, cursor: Cursor, hook: Callable[[str], None]) -> None:
        self._cursor = cursor
        self._hook = hook

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def execute(self, text: str, parameters: Mapping[str, Any] | Sequence[Any] = {}, /) -> Any:
        self._hook(text)
        return self._cursor.execute(text, parameters)

    def executemany(self, text: str, rows: Iterable[Mapping[str, Any]], /) -> Any:
        self._hook(text)
        return self._cursor.executemany(text, rows)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall()


class HookedConnection:
    def __init__(self, connection: Connection, hook: Callable[[str], None]) -> None:
        self._connection = connection
        self._hook = hook

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def cursor(self) -> Cursor:
        return HookedCursor(self._connection.cursor(), self._hook)

    def close(self) -> None:
        self._connection.close()


class HookedDriver(SqliteDriver):
    """``hook(text)`` is called before each statement of the writer; it may raise ``sqlite.Error``."""

    def __init__(self, path: Path, hook: Callable[[str], None]) -> None:
        super().__init__(path)
        self._hook = hook

    def connect(self, *, writes: bool) -> Connection:
        connection = super().connect(writes=writes)
        return HookedConnection(connection, self._hook) if writes else connection
