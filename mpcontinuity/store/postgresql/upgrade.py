"""The schema on PostgreSQL: made in an empty database, upgraded by `mpcontinuity migrate` while servers run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import errors as pg

from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.postgresql.driver import PostgresqlDriver
from mpcontinuity.store.postgresql.url import conninfo, shown
from mpcontinuity.store.revision import HEAD, newer

# Whoever changes the schema holds this advisory lock: two nodes that are started at once do not collide.
_LOCK = 0x6D70632D736368  # any number that nobody else uses: "mpc-sch"

# A change of a table waits for those who use it, and all others wait behind it: so it waits briefly, and often.
_LOCK_TIMEOUT = "2s"
_ATTEMPTS = 60
_PAUSE = 0.5  # s


def check(driver: PostgresqlDriver) -> None:
    """Makes the schema where there is none. Raises Refused where it is older or newer than this version's."""
    url = driver.url
    present = revision(url)
    if not present:
        migrate(url, fresh=True)
        present = revision(url)
    if present > HEAD:
        raise newer(shown(url), present)
    if present < HEAD:
        raise Refused(
            f"[store] database: {shown(url)} has schema {present}, and this version needs {HEAD}",
            "conflict",
            Hint("migrate", "brings it there, while servers of the version before may go on running"),
        )


def revision(url: str) -> str:
    """Returns the revision that a database has; empty for an empty one. Raises Refused where it cannot be asked."""
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            return _revision(connection)
    except psycopg.Error as error:
        raise Refused(f"[store] database: {shown(url)} cannot be used: {' '.join(str(error).split())}") from None


def migrate(
    url: str, *, fresh: bool = False, to: str = HEAD, progress: Callable[[str], None] = lambda revision: None
) -> None:
    """Brings the schema to HEAD, each step in a transaction of its own; ``progress`` hears of each revision done.

    With ``fresh`` a database that has a schema is left as it is. ``to`` is the revision to stop at, such as that of a
    backup. Raises Refused where the schema is newer than HEAD, or cannot be changed.
    """
    from sqlalchemy.exc import DBAPIError

    try:
        with psycopg.connect(conninfo(url), autocommit=True) as lock:
            lock.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            for left in range(_ATTEMPTS, 0, -1):
                present = _revision(lock)
                if present > HEAD:
                    raise newer(shown(url), present)
                if present >= to or (fresh and present):
                    return
                try:
                    _upgrade(url, to, progress)
                except DBAPIError as error:
                    if not (isinstance(error.orig, pg.LockNotAvailable) and left > 1):
                        raise Refused(f"[store] database: {shown(url)}: {_line(error.orig or error)}") from error
                    time.sleep(_PAUSE)
    except psycopg.Error as error:
        raise Refused(f"[store] database: {shown(url)}: {_line(error)}") from None


def _upgrade(url: str, to: str, progress: Callable[[str], None]) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def connect() -> psycopg.Connection[Any]:
        opened = psycopg.connect(conninfo(url))
        opened.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'".encode())
        opened.commit()
        return opened

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", "mpcontinuity.store:migrations")
    config.attributes["done"] = progress
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _revision(connection: psycopg.Connection[Any]) -> str:
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""
