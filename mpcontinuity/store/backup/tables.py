"""The tables of a PostgreSQL database in files, by COPY: none of its programs is needed, and no password twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import crc32c
import psycopg
from psycopg import sql

from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.backup.manifest import PIECE, Exported, File
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.postgresql.upgrade import migrate, revision
from mpcontinuity.store.postgresql.url import conninfo, shown
from mpcontinuity.store.schema.tables import metadata

_LEFT_OUT = ("node", "login_failure", "spending")  # of processes that live now
_SYNCED = 16 << 20
_SESSION = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '10s'"
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_PACKS = 'SELECT pack, MAX("offset") FROM body WHERE pack > 1 GROUP BY pack ORDER BY pack'
_USERS = "SELECT EXISTS (SELECT 1 FROM account) OR EXISTS (SELECT 1 FROM domain) OR EXISTS (SELECT 1 FROM body)"
_OTHERS = (
    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'mpcontinuity%'"
    " AND pid <> pg_backend_pid()"
)

# The server sees a process that has ended for some milliseconds more, and under load for longer.
_LOOKS = 20
_PAUSE = 0.1  # s

Say = Callable[[str], None]


def export(url: str, folder: Path, name: str) -> Exported:
    """Writes all tables as they are at one moment, each to a file of ``folder``, durable.

    ``name`` is that of the folder in the paths of the files. Raises Refused.
    """
    schema = revision(url)
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(_SESSION)
            connection.execute(_SNAPSHOT)
            packs = [(int(pack), int(offset)) for pack, offset in connection.execute(_PACKS).fetchall()]
            files = [
                _export(connection, str(table.name), [str(column.name) for column in table.columns], folder, name)
                for table in metadata.sorted_tables
                if table.name not in _LEFT_OUT
            ]
            connection.execute("COMMIT")
    except psycopg.Error as error:
        raise _refused(url, error) from None
    return Exported(schema, tuple(files), packs)


def _export(connection: psycopg.Connection[Any], table: str, columns: Sequence[str], folder: Path, name: str) -> File:
    path = folder / f"{table}.copy"
    file = RealDisk().create(path)
    size = crc = synced = 0
    try:
        with connection.cursor() as cursor, cursor.copy(_copy(table, columns, "TO STDOUT")) as copy:
            for data in copy:
                file.write(bytes(data), size)
                size += len(data)
                crc = crc32c.crc32c(data, crc)
                if size - synced > _SYNCED:
                    file.sync()
                    synced = size
        file.sync()
    finally:
        file.close()
    return File(f"{name}/{path.name}", size, crc, tuple(columns))


def _copy(table: str, columns: Sequence[str], way: str) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) " + way + " (FORMAT binary)").format(sql.Identifier(table), names)


def refuse_other(url: str, *, force: bool) -> None:
    """Raises Refused where servers run on the database, or, without ``force``, where something is in it."""
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            if _used(connection):
                raise Refused(f"{shown(url)}: servers or commands use this database: stop them first", "conflict")
            if revision(url) and not force and connection.execute(_USERS).fetchone() == (True,):
                raise Refused(
                    f"{shown(url)}: is not empty; name another database in [store] database",
                    "conflict",
                    Hint("restore", "keeps what is there in a schema of its own", {"force": True}),
                )
    except psycopg.Error as error:
        raise _refused(url, error) from None


def _used(connection: psycopg.Connection[Any]) -> bool:
    """Whether others use the database, and go on doing so."""
    for left in range(_LOOKS, 0, -1):
        [(others,)] = connection.execute(_OTHERS).fetchall()
        if not others:
            return False
        if left > 1:
            time.sleep(_PAUSE)
    return True


def load(url: str, folder: Path, files: Sequence[File], schema: str, aside: str, say: Say) -> str:
    """Loads the tables into the database. Its present ones are moved to the schema ``aside``.

    Returns the name of that schema, empty if there was nothing to move. Raises Refused where PostgreSQL refuses; the
    tables that were moved stay in that schema then.
    """
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(_SESSION)
            used = ""
            if revision(url):
                used = aside
                while _value(connection, f"SELECT to_regnamespace('{used}') IS NULL") == "False":
                    used += "_"
                present = _value(connection, "SELECT current_schema()")
                names = {"present": sql.Identifier(present), "aside": sql.Identifier(used)}
                with connection.transaction():
                    connection.execute(sql.SQL("ALTER SCHEMA {present} RENAME TO {aside}").format(**names))
                    connection.execute(sql.SQL("CREATE SCHEMA {present}").format(**names))
            migrate(url, to=schema)
            with connection.transaction():
                tables = [sql.Identifier(Path(file.path).stem) for file in files]
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
                for file in files:
                    say(f"restoring {Path(file.path).stem}: {file.size} octets")
                    _load(connection, folder, file)
            connection.execute("ANALYZE")
        migrate(url)
    except psycopg.Error as error:
        raise _refused(url, error) from None
    return used


def _load(connection: psycopg.Connection[Any], folder: Path, file: File) -> None:
    left = file.size
    statement = _copy(Path(file.path).stem, file.columns, "FROM STDIN")
    with (folder / file.path).open("rb") as source, connection.cursor() as cursor, cursor.copy(statement) as copy:
        while left:
            data = source.read(min(PIECE, left))
            copy.write(data)
            left -= len(data)


def _value(connection: psycopg.Connection[Any], text: str) -> str:
    row = connection.execute(cast("Any", text)).fetchone()
    assert row is not None
    return str(row[0])


def _refused(url: str, error: psycopg.Error) -> Refused:
    return Refused(f"{shown(url)}: {' '.join(str(error).split())}")
