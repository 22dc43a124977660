"""Brings the schema of a SQLite database to the one that this version needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
from twisted.logger import Logger

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.revision import HEAD, newer

_log = Logger()


def upgrade(database: Path, progress: Callable[[str], None] = lambda revision: None) -> None:
    """Creates or upgrades a SQLite database; one with content is copied first, to ``NAME.before-REVISION``.

    ``progress`` hears of each revision that is done.

    Raises Refused where the database was written by a newer version.
    """
    present = revision(database)
    if present == HEAD:
        return
    if present > HEAD:
        raise newer(str(database), present)
    if present:
        _log.info("upgrading the schema from {present} to {head}", present=present, head=HEAD)
        _copy(database, database.with_name(f"{database.name}.before-{HEAD}"))
    _migrate(database, progress)


def revision(database: Path) -> str:
    """Returns the revision that a database has; empty for a fresh one. Revisions sort as text.

    Raises Refused where the file is damaged, or its disk fails, since this is the first that anybody reads of it.
    """
    try:
        return _revision(database)
    except sqlite.OperationalError as error:
        raise Refused(
            f"{database} cannot be read: {error}; see to its disk, its room and its permissions", "conflict"
        ) from error
    except sqlite.DatabaseError as error:
        raise Refused(
            f"{database} is damaged: {error}; keep the data folder as it is, and restore a backup beside its packs",
            "conflict",
        ) from error


def _revision(database: Path) -> str:
    if not database.exists():
        return ""
    with closing(sqlite.connect(str(database))) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        if not tables[0]:
            return ""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def _copy(database: Path, copy: Path) -> None:
    """A consistent copy, WAL included, durable before the upgrade begins."""
    partial = copy.with_name(copy.name + ".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite.connect(str(database))) as source, closing(sqlite.connect(str(partial))) as target:
        source.backup(target)
    shutil.copymode(database, partial)
    partial.rename(copy)
    for path in (copy, copy.parent):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _migrate(database: Path, progress: Callable[[str], None]) -> None:
    # Imported here: most starts find the schema as it should be, and these take a third of a second.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event

    def connect() -> sqlite.Connection:
        connection = sqlite.connect(str(database), isolation_level=None)  # 'begin' below: DDL is transactional
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    engine = create_engine("sqlite://", module=sqlite, creator=connect)

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    config = Config()
    config.set_main_option("script_location", "mpcontinuity.store:migrations")
    config.attributes["done"] = progress
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    _sync(database.parent)
