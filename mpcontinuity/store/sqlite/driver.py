"""SQLite by pysqlite3, which brings a SQLite newer than the system's (docs/decisions/0002-store.md)."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from mpcontinuity.model.errors import Full, Refused, Temporary
from mpcontinuity.store.driver import Conflict, Connection

SQLITE = "sqlite"  # [store] database: the file below; else it is a URL
DATABASE = "mpcontinuity.sqlite"  # in the data folder

# Older ones can lose a commit when a checkpoint overlaps a reset of the WAL (sqlite.org/wal.html, 'WAL-reset bug').
MINIMUM_VERSION = (3, 51, 3)

_FULL = 13  # SQLITE_FULL
_CONSTRAINT = 19  # SQLITE_CONSTRAINT
_IOERR = 10  # SQLITE_IOERR
_PROGRAMMING = (1, 21, 25)  # SQLITE_ERROR, SQLITE_MISUSE, SQLITE_RANGE: the statement is wrong, not the disk

_BUSY_MS = 5000
_CACHE_KIB = {True: 65536, False: 8192}
_STATEMENTS = 512  # prepared ones kept per connection


def check_version() -> None:
    """Raises Refused where the SQLite library is too old to be trusted with mail."""
    if sqlite.sqlite_version_info < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise Refused(
            f"SQLite {sqlite.sqlite_version} can lose commits: {wanted} or newer is needed (pysqlite3 brings it)"
        )


def translate(error: Exception) -> Exception:
    """Returns an error as the store's callers know it, for every driver whose errors have SQLite's result codes."""
    code: int = getattr(error, "sqlite_errorcode", 0) or getattr(error, "result", 0)
    primary = code & 0xFF
    if primary == _CONSTRAINT:
        return Conflict(str(error))
    if primary == _FULL or (primary == _IOERR and getattr(error, "errno", 0) == errno.ENOSPC):
        return Full(f"the database cannot grow: {error}")
    if primary in _PROGRAMMING or not primary:
        return error
    return Temporary(f"the database failed: {error}")


class SqliteDriver:
    """Opens connections to the file ``mpcontinuity.sqlite`` in the data folder, in WAL mode."""

    dialect = "sqlite"
    errors: tuple[type[Exception], ...] = (sqlite.Error,)
    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def connect(self, *, writes: bool) -> Connection:
        connection: Any = sqlite.connect(
            str(self.path), isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "synchronous = FULL",  # in WAL mode: the WAL is synced at every commit
            "foreign_keys = ON",
            "wal_autocheckpoint = 0",  # checkpoint.py does it, beside the writer
            *(["journal_mode = WAL"] if writes else []),  # also of a copy that somebody made and put back
            f"cache_size = -{_CACHE_KIB[writes]}",
            "temp_store = MEMORY",
            f"query_only = {'OFF' if writes else 'ON'}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        opened: Connection = connection
        return opened

    def translate(self, error: Exception) -> Exception:
        return translate(error)
