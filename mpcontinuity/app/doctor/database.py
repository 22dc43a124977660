"""The database: the library, its pages or its server, its schema."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pysqlite3.dbapi2 as sqlite

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.bodies.packs import FOLDER
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.lock import held
from mpcontinuity.store.postgresql.driver import conninfo, shown
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE, MINIMUM_VERSION, check_version
from mpcontinuity.store.upkeep import generation

# Pages are looked at in one snapshot, and while that lasts the WAL of a busy server cannot begin anew.
_PAGES_WITHIN = 10.0  # s
_PAGES_WITHIN_BESIDE_A_SERVER = 2.0
_STEPS = 10_000  # of SQLite's machine between two looks at the time

_CONNECT_WITHIN = 5  # s
_OLDEST_POSTGRESQL = 150000  # 15, the oldest that its makers care for into 2027


def examine(settings: Settings) -> Iterator[Finding]:
    if settings.store.database == "sqlite":
        yield _library()
        yield from _pages(Path(settings.data_dir))
    else:
        yield from _postgresql(settings.store.database, _newest(Path(settings.data_dir)))


def _library() -> Finding:
    try:
        check_version()
    except Refused as error:
        return Finding("SQLite", "wrong", str(error), "install the locked requirements")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    return Finding("SQLite", "good", f"{sqlite.sqlite_version}, and {wanted} is needed")


def _pages(folder: Path) -> Iterator[Finding]:
    path = folder / DATABASE
    if not path.exists():
        return
    within = _PAGES_WITHIN_BESIDE_A_SERVER if held(folder) else _PAGES_WITHIN
    until = time.monotonic() + within
    newest = _newest(folder)
    try:
        with closing(sqlite.connect(f"file:{path}?mode=rw", uri=True, timeout=1)) as connection:
            connection.execute("PRAGMA query_only = ON")
            known = connection.execute(generation.IN_DATABASE).fetchone()
            connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
            wrong = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite.Error as error:
        if time.monotonic() > until:
            text = f"no damage found within {within:.0f} s; the rest was not looked at"
            yield Finding("database", "good", text, "`mpcontinuity check` looks at everything")
        else:
            yield Finding("database", "wrong", f"{path}: {error}", "see `mpcontinuity check`, or restore a backup")
        return
    if wrong:
        advice = "stop the server, copy data_dir, then `mpcontinuity check --repair`, or restore a backup"
        yield Finding("database", "wrong", f"{path} is damaged: {'; '.join(wrong)}", advice)
    else:
        yield Finding("database", "good", "its pages are whole; `mpcontinuity check` looks deeper")
    yield from _age(known, newest)


def _newest(folder: Path) -> int:
    """Read before the database is asked: a server that runs may raise both in between."""
    return generation.in_file(RealDisk(), folder / FOLDER)


def _age(known: Sequence[str] | None, newest: int) -> Iterator[Finding]:
    if newest > (int(known[0]) if known else 0):
        text = "is older than the packs beside it, and no server starts on it"
        yield Finding("database", "wrong", text, "`mpcontinuity check --repair`, or `restore --force` a backup")


def _postgresql(url: str, newest: int) -> Iterator[Finding]:
    name = shown(url)
    try:
        with psycopg.connect(conninfo(url), autocommit=True, connect_timeout=_CONNECT_WITHIN) as connection:
            connection.execute("SET statement_timeout = 5000")
            version = connection.info.server_version
            row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            made = row is not None and row[0]
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if made else None
            known = connection.execute(generation.IN_DATABASE).fetchone() if row else None
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        yield Finding("PostgreSQL", "wrong", f"{name}: {why}", "check store.database, pg_hba.conf and that it runs")
        return
    if version < _OLDEST_POSTGRESQL:
        yield Finding("PostgreSQL", "warning", f"{name} is {version // 10000}", "upgrade it: 15 or newer is tested")
    else:
        yield Finding("PostgreSQL", "good", f"{name} is {version // 10000}.{version % 10000}")
    if encoding != "UTF8":
        yield Finding(
            "PostgreSQL", "wrong", f"{name} is encoded in {encoding}", "make the database with ENCODING 'UTF8'"
        )
    yield _schema(name, str(row[0]) if row else "")
    yield from _age(known, newest)


def _schema(name: str, revision: str) -> Finding:
    if not revision:
        return Finding("schema", "warning", f"{name} is empty", "it is made at the first start")
    if revision < HEAD:
        return Finding("schema", "wrong", f"{name} has {revision}, {HEAD} is needed", "run `mpcontinuity migrate`")
    if revision > HEAD:
        return Finding(
            "schema", "wrong", f"{name} has {revision}, this version knows {HEAD}", "install a newer version"
        )
    return Finding("schema", "good", revision)
