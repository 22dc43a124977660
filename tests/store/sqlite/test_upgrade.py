"""The schema: made, upgraded, compared with the tables that the code knows."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.schema import CreateTable

from mpcontinuity.model import settings
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.schema.tables import metadata
from mpcontinuity.store.sqlite import upgrade as store_upgrade
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.sqlite.upgrade import revision, upgrade
from mpcontinuity.store.store import open_store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import at_once, data_folder, open_memory_like_store, result
from tests.store.messages import bodies, keep


def described(database: Path) -> dict[str, Any]:
    """Tables, columns, keys and indexes, as SQLAlchemy finds them, and how each table is stored."""
    engine = create_engine("sqlite://", module=sqlite, creator=lambda: sqlite.connect(str(database)))
    found = inspect(engine)
    tables = {}
    with closing(sqlite.connect(str(database))) as connection:
        ddl = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    for name in found.get_table_names():
        tables[name] = {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(name)],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "foreign": sorted(
                (f["constrained_columns"], f["referred_table"], f["referred_columns"])
                for f in found.get_foreign_keys(name)
            ),
            "indexes": sorted((i["name"], i["column_names"], i["unique"]) for i in found.get_indexes(name)),
            "unique": sorted(u["column_names"] for u in found.get_unique_constraints(name)),
            "rowid": "WITHOUT ROWID" not in ddl[name],
        }
    engine.dispose()
    return tables


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    migrated = tmp_path / "migrated"
    upgrade(migrated)
    created = tmp_path / "created"
    engine = create_engine("sqlite://", module=sqlite, creator=lambda: sqlite.connect(str(created)))
    metadata.create_all(engine)
    engine.dispose()
    tables = described(migrated)
    assert tables.pop("alembic_version")
    assert tables == described(created)


def test_ids_are_the_key_of_their_tables_tree() -> None:
    for table in metadata.sorted_tables:
        if table.name in (
            "content",
            "archive_block",
            "archive_place",
            "enclosure_piece",
        ):  # rows of KiB: said there
            continue
        text = str(CreateTable(table).compile(dialect=dialect.dialect()))
        assert re.search(r"\bid INTEGER NOT NULL", text) or "WITHOUT ROWID" in text, table.name


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "mpcontinuity.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_fresh_database_is_in_wal_mode_and_upgrading_it_again_changes_nothing(tmp_path: Path) -> None:
    database = tmp_path / DATABASE
    assert revision(database) == ""
    upgrade(database)
    assert revision(database) == HEAD
    before = database.read_bytes()
    upgrade(database)
    assert database.read_bytes() == before
    with closing(sqlite.connect(str(database))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]


def test_a_newer_schema_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    database = data_folder(tmp_path) / DATABASE
    with closing(sqlite.connect(str(database), isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="has schema 9999") as caught:
        open_memory_like_store(tmp_path)
    assert "\n" not in str(caught.value)
    assert revision(database) == "9999"
    with closing(sqlite.connect(str(database), isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (HEAD,))
    result(open_memory_like_store(tmp_path).close())  # the lock was given back


def test_a_damaged_database_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    database = data_folder(tmp_path) / DATABASE
    damaged = bytes(4096) + database.read_bytes()[4096:]
    database.write_bytes(damaged)
    with pytest.raises(Refused, match=r"is damaged: file is not a database; .*restore a backup") as caught:
        upgrade(database)
    assert "\n" not in str(caught.value)
    assert database.read_bytes() == damaged


def test_a_database_with_content_is_copied_before_it_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_memory_like_store(tmp_path)
    kept = result(keep(store, b"x"))
    result(store.close())
    database = tmp_path / "data" / DATABASE
    migrated: list[Path] = []
    monkeypatch.setattr(store_upgrade, "HEAD", "9998")
    monkeypatch.setattr(store_upgrade, "_migrate", lambda database, progress: migrated.append(database))
    upgrade(database)
    assert migrated == [database]
    copy = database.with_name(DATABASE + ".before-9998")
    monkeypatch.undo()
    copy.rename(database)
    assert result(bodies(open_memory_like_store(tmp_path))) == [kept]


def open_with(tmp_path: Path, chosen: settings.Store) -> None:
    open_store(
        tmp_path,
        chosen,
        clock=ManualClock(),
        randomness=SeededRandomness(),
        runner=Inline(),
        disk=RealDisk(),
        reactor_call=at_once,
    )


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(Refused, match=r"3\.51\.3"):
        open_with(tmp_path, settings.Store())


@pytest.mark.parametrize(
    "chosen", [settings.Store(database="postgresql+psycopg://db"), settings.Store(messages="s3://bucket/prefix")]
)
def test_what_this_version_does_not_know_is_refused_by_its_key(tmp_path: Path, chosen: settings.Store) -> None:
    with pytest.raises(Refused, match=r"^\[store\] "):
        open_with(tmp_path, chosen)
