"""A consistent copy of the SQLite database, while it is written to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.backup.manifest import sync

# Pages copied at a time, 256 KiB: beside a busy writer the longest commit was 44 ms with this, 142 with 4 MiB, and 225
# with VACUUM INTO, which also took half as long again and left twice the WAL (docs/decisions).
_PAGES = 64
# What is not yet synced, 16 MiB, would keep the syncs of mail waiting when it is.
_STEPS_PER_SYNC = 64
_BUSY_MS = 5000


def copy(database: Path, target: Path) -> None:
    """Copies the database to a new file, durable and checked.

    The source is one read transaction from the first page to the last, so that what is written meanwhile does not make
    the copy begin again; the WAL grows for as long as it takes. Raises Refused where the copy is damaged, as then the
    database is.
    """
    with closing(sqlite.connect(str(database), isolation_level=None)) as source:
        source.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        source.execute("PRAGMA query_only = ON")
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()
        with closing(sqlite.connect(str(target), isolation_level=None)) as copied:
            target.chmod(0o600)
            copied.execute("PRAGMA synchronous = OFF")  # synced once, below
            source.backup(copied, pages=_PAGES, progress=_Syncing(target), sleep=0.05)
            source.execute("ROLLBACK")  # before the check, which takes as long again
            copied.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            wrong = copied.execute("PRAGMA quick_check(1)").fetchall()
            if wrong != [("ok",)]:
                raise Refused(f"the database is damaged: {wrong[0][0]}", "conflict", Hint("check", "says how far"))
    sync(target)


class _Syncing:
    """Now and then what has been written."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._steps = 0

    def __call__(self, status: int, left: int, pages: int) -> None:
        self._steps += 1
        if self._steps % _STEPS_PER_SYNC == 0:
            sync(self._target)


def packs(database: Path) -> list[tuple[int, int]]:
    """Returns the packs that a copy names, and where the last message in each begins."""
    with closing(sqlite.connect(str(database))) as connection:
        found: list[tuple[int, int]] = connection.execute(
            'SELECT pack, MAX("offset") FROM body WHERE pack > 1 GROUP BY pack ORDER BY pack'
        ).fetchall()
        return found
