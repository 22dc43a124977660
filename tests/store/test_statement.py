"""Statements in both dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpcontinuity.store.statement import Rows, Statement
from tests.fakes.stores import open_memory_like_store, result

_ADD = Rows("INSERT INTO domain (id, name) VALUES [2]")
_FIND = Statement("SELECT [id, name] FROM domain WHERE id IN [:ids]")


@pytest.mark.parametrize(
    ("text", "sqlite", "postgresql"),
    [
        ("SELECT 1 WHERE a = :a", "SELECT 1 WHERE a = :a", "SELECT 1 WHERE a = %(a)s"),
        ("id IN [:ids]", "id IN (SELECT value FROM json_each(:ids))", "id = ANY (%(ids)s)"),
        ("id NOT IN [:ids]", "id NOT IN (SELECT value FROM json_each(:ids))", "id <> ALL (%(ids)s)"),
    ],
)
def test_lists_become_what_each_database_takes_in_one_parameter(text: str, sqlite: str, postgresql: str) -> None:
    statement = Statement(text)
    assert (statement.sqlite, statement.postgresql) == (sqlite, postgresql)
    assert statement.lists == (("ids",) if "[" in text else ())


def test_rows_are_locked_where_others_could_change_them() -> None:
    statement = Statement("SELECT id FROM owed WHERE id IN [:ids] ORDER BY id [FOR UPDATE SKIP LOCKED]")
    assert statement.sqlite == "SELECT id FROM owed WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    assert statement.postgresql == (
        "SELECT id FROM owed WHERE id = ANY (%(ids)s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
    )
    assert Statement("SELECT 1 [FOR UPDATE]").postgresql == "SELECT 1 FOR NO KEY UPDATE"


def test_a_percent_sign_and_a_cast_stay_what_they_are_on_postgresql() -> None:
    statement = Statement("SELECT a % :b, c::bigint WHERE d LIKE '%:e%'")
    assert statement.postgresql == "SELECT a %% %(b)s, c::bigint WHERE d LIKE '%%:e%%'"
    assert "%%" in Rows("UPDATE a SET b = b % 2 FROM (VALUES [2]) AS c").postgresql[1]


def test_gathered_rows_come_as_one_from_sqlite_and_as_they_are_from_postgresql() -> None:
    statement = Statement("SELECT [id, name] FROM domain WHERE id IN [:ids]")
    assert statement.gathered
    assert statement.sqlite.startswith("SELECT json_group_array(json_array(id, name)) FROM domain WHERE")
    assert statement.postgresql.startswith("SELECT id, name FROM domain WHERE")
    assert not Statement("SELECT id FROM domain WHERE id IN [:ids]").gathered


def test_gathered_rows_read_as_others_do(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    names = ["a.test", 'quote".test', "ü.test"]
    result(store.run(lambda tx: tx.run_rows(_ADD, [(1 << 62 | n, name) for n, name in enumerate(names)])))
    found = result(store.read(lambda tx: tx.all(_FIND, ids=[1 << 62, 1 << 62 | 2, 5])))
    assert sorted(found) == [(1 << 62, "a.test"), (1 << 62 | 2, "ü.test")]
    assert result(store.read(lambda tx: tx.all(_FIND, ids=[]))) == []
    result(store.close())


@pytest.mark.parametrize("count", [1, 7, 8, 9, 23, 64, 150])
def test_any_number_of_rows_is_executed_once_each(tmp_path: Path, count: int) -> None:
    store = open_memory_like_store(tmp_path)
    rows = [(number, f"{number}.test") for number in range(count)]
    assert result(store.run(lambda tx: tx.run_rows(_ADD, rows))) == count
    assert sorted(result(store.read(lambda tx: tx.all(_FIND, ids=range(count))))) == rows
    result(store.close())
