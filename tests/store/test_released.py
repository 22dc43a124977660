"""A filled database of every released schema comes up to the one of this version, with all that is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Engine

from mpcontinuity.accounts import tokens
from mpcontinuity.accounts.tokens import Token
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.store.postgresql import upgrade as postgresql_upgrade
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.schema.tables import metadata
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.sqlite.upgrade import upgrade
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.postgresql import cluster, name
from tests.fakes.stores import Chosen, open_memory_like_store, result

RELEASED = sorted(path.name.partition(".")[0] for path in (Path(__file__).parent / "released").glob("*.sqlite.sql"))
ACCOUNT = Statement("SELECT account FROM address WHERE key = :key")
STATES = Statement("SELECT state, COUNT(*) FROM owed GROUP BY state ORDER BY state")
TAKEN_IN = Statement("SELECT SUM(taken_in) FROM account")


def released(version: str, dialect: str) -> str:
    return (Path(__file__).parent / "released" / f"{version}.{dialect}.sql").read_text()


def on_sqlite(folder: Path, version: str) -> str:
    folder.mkdir()
    with closing(sqlite.connect(str(folder / DATABASE), isolation_level=None)) as connection:
        connection.executescript(released(version, "sqlite"))
    return ""


def on_postgresql(version: str) -> str:
    database = cluster().bare_database()
    with cluster().connect(database) as connection:
        connection.execute(released(version, "postgresql").encode())
    return cluster().url(database)


@pytest.fixture(params=RELEASED)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, version: str, tmp_path: Path) -> Iterator[Store]:
    """The store on a database that was upgraded; its messages' packs are not there."""
    folder = tmp_path / "data"
    done: list[str] = []
    if request.param == "sqlite":
        on_sqlite(folder, version)
        upgrade(folder / DATABASE, done.append)
    else:
        Chosen.database = "postgresql"
        folder.mkdir()
        Chosen.urls[folder] = on_postgresql(version)
        postgresql_upgrade.migrate(Chosen.urls[folder], progress=done.append)
    assert done == [f"{number:04}" for number in range(int(version) + 1, int(HEAD) + 1)]
    store = open_memory_like_store(tmp_path)
    yield store
    result(store.close())


def test_what_was_in_it_is_there(upgraded: Store) -> None:
    def look(tx: Transaction) -> dict[str, Any]:
        account = tx.value(ACCOUNT, key="ann@example.org")
        boxes = {info.name: info for info in mailboxes.listing(tx, account)}
        inbox = boxes["INBOX"]
        return {
            "boxes": {name: (info.messages, info.uidnext) for name, info in boxes.items() if info.uidnext > 1},
            "names": "Projects/Ümlaut" in boxes,
            "unseen": inbox.unseen,
            "states": dict(tx.all(STATES)),
            "taken in": tx.value(TAKEN_IN),
            "alias": tx.value(ACCOUNT, key="sales@example.org") is not None,
            "tokens": tokens.listing(tx, "admin"),
        }

    found = result(upgraded.read(look))
    assert found == {
        "boxes": {"INBOX": (3, 6), "Archive": (1, 2), "Trash": (1, 2)},
        "names": True,
        "unseen": 1,
        "states": {"claimed": 1, "delivered": 1, "owed": 5},
        "taken in": 7,
        "alias": True,
        "tokens": [Token(id=1, created=5, expires=9, domain="", scopes=None, last_used=0)],
    }


def described(engine: Engine) -> dict[str, Any]:
    """Tables, columns with their collations, keys and indexes, as SQLAlchemy finds them."""
    found = inspect(engine)
    tables = {}
    for table in found.get_table_names():
        tables[table] = {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    getattr(column["type"], "collation", None),
                    column["nullable"],
                    re.sub(r"::\w+", "", column["default"] or ""),
                )
                for column in found.get_columns(table)
            },
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (key["constrained_columns"], key["referred_table"]) for key in found.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (index["name"], index["column_names"], index["unique"])
                for index in found.get_indexes(table)
                if "duplicates_constraint" not in index
            ),
            "unique": sorted(unique["column_names"] for unique in found.get_unique_constraints(table)),
        }
    engine.dispose()
    return tables


def engine(url: str) -> Engine:
    return create_engine("postgresql+psycopg://", creator=lambda: cluster().connect(name(url)))


def test_on_postgresql_upgrades_end_where_the_code_begins(version: str) -> None:
    url = on_postgresql(version)
    postgresql_upgrade.migrate(url)
    created = cluster().url(cluster().bare_database())
    metadata.create_all(engine(created))
    tables = described(engine(url))
    del tables["alembic_version"], tables["incarnation"]
    assert tables == described(engine(created))
    for each in (url, created):
        cluster().drop(each)


def test_texts_are_compared_by_their_bytes_on_postgresql() -> None:
    """Whatever the locale of the database is: it is C.UTF-8 here, where 'a' < 'B' by most others."""
    url = cluster().url(cluster().bare_database())
    postgresql_upgrade.migrate(url)
    for table, description in described(engine(url)).items():
        for column, (kind, collation, _, _) in description["columns"].items():
            if kind.startswith("TEXT"):
                assert collation == "C", (table, column)
    cluster().drop(url)
