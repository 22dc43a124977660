"""A restore waits for who has just stopped, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.backup import tables
from mpcontinuity.store.postgresql.url import conninfo
from tests.fakes.postgresql import fresh_database


@pytest.fixture
def database() -> str:
    return fresh_database()


@pytest.fixture
def other(database: str) -> Iterator[psycopg.Connection[Any]]:
    connection = psycopg.connect(conninfo(database), application_name="mpcontinuity writer", autocommit=True)
    yield connection
    connection.close()


def test_a_database_that_others_use_is_refused(
    database: str, other: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_PAUSE", 0.0)
    with pytest.raises(Refused, match="stop them first"):
        tables.refuse_other(database, force=True)


def test_a_process_that_ends_meanwhile_is_waited_for(
    database: str, other: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, looks = tables.time.sleep, []  # type: ignore[attr-defined]

    def end(seconds: float) -> None:
        looks.append(seconds)
        other.close()
        sleep(seconds)

    monkeypatch.setattr("mpcontinuity.store.backup.tables.time.sleep", end)
    tables.refuse_other(database, force=True)
    assert looks
