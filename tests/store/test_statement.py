"""Statements in both dialects."""

from __future__ import annotations

import pytest

from mpcontinuity.store.statement import Rows, Statement


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
