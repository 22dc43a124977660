"""A consistent copy of the SQLite database, while it is written to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.backup.manifest import sync

# Pages copied between two looks at who else wants the interpreter: 4 MiB.
_PAGES = 1024
_BUSY_MS = 5000


def copy(database: Path, target: Path) -> None:
    """To a new file, durable and checked.

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
            source.backup(copied, pages=_PAGES, sleep=0.05)
            source.execute("ROLLBACK")  # before the check, which takes as long again
            copied.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            wrong = copied.execute("PRAGMA quick_check(1)").fetchall()
            if wrong != [("ok",)]:
                raise Refused(f"the database is damaged: {wrong[0][0]}; see `mpcontinuity check`")
    sync(target)


def packs(database: Path) -> list[tuple[int, int]]:
    """Of a copy: the packs that it names, and where the last message in each begins."""
    with closing(sqlite.connect(str(database))) as connection:
        found: list[tuple[int, int]] = connection.execute(
            'SELECT pack, MAX("offset") FROM body WHERE pack > 1 GROUP BY pack ORDER BY pack'
        ).fetchall()
        return found
