"""The condition of a database, seen from outside: `mpcontinuity doctor` looks at it without opening the store."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pysqlite3.dbapi2 as sqlite

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.postgresql.url import conninfo
from mpcontinuity.store.upkeep import generation

SQLITE_VERSION: str = sqlite.sqlite_version  # of the library that is loaded

_STEPS = 10_000  # of SQLite's machine between two looks at the time
_CONNECT_WITHIN = 5  # s
_ANSWER_WITHIN = 5_000  # ms


@dataclass(frozen=True, slots=True)
class SqliteCondition:
    """What SQLite says of its file. ``generation`` is the number that packs beside it must not be above."""

    generation: int
    complete: bool  # whether all pages were looked at in the time there was
    damage: tuple[str, ...]  # what is wrong with pages, three things at most


@dataclass(frozen=True, slots=True)
class PostgresqlCondition:
    """What a PostgreSQL server says of itself and of our schema in it."""

    version: int  # as the server counts: 160002 is 16.2
    encoding: str
    revision: str  # of the schema; empty where there is none yet
    generation: int


def of_sqlite(database: Path, within: float) -> SqliteCondition:
    """Reads the pages of a SQLite database for ``within`` seconds at most, and changes nothing.

    That is one snapshot: while it lasts the WAL of a busy server cannot begin anew. Raises Refused with what SQLite
    says where the file cannot be read.
    """
    until = time.monotonic() + within
    known = None
    try:
        with closing(sqlite.connect(f"file:{database}?mode=rw", uri=True, timeout=1)) as connection:
            connection.execute("PRAGMA query_only = ON")
            known = connection.execute(generation.IN_DATABASE).fetchone()
            connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
            wrong = tuple(row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok")
    except sqlite.Error as error:
        if time.monotonic() > until:
            return SqliteCondition(_number(known), False, ())
        raise Refused(str(error)) from None
    return SqliteCondition(_number(known), True, wrong)


def of_postgresql(url: str) -> PostgresqlCondition:
    """Asks the server at this URL of [store] database for its condition. Raises Refused with why it cannot be asked."""
    try:
        with psycopg.connect(conninfo(url), autocommit=True, connect_timeout=_CONNECT_WITHIN) as connection:
            connection.execute(f"SET statement_timeout = {_ANSWER_WITHIN}".encode())
            row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            made = row is not None and row[0]
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if made else None
            known = connection.execute(generation.IN_DATABASE).fetchone() if row else None
            return PostgresqlCondition(
                version=connection.info.server_version,
                encoding=connection.info.parameter_status("server_encoding") or "",
                revision=str(row[0]) if row else "",
                generation=_number(known),
            )
    except psycopg.Error as error:
        raise Refused(" ".join(str(error).split())) from None


def _number(row: tuple[str, ...] | None) -> int:
    return int(row[0]) if row else 0
