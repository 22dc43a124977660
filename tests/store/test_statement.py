"""Statements in both dialects."""

from __future__ import annotations

import pytest

from mpcontinuity.store.statement import Statement


@pytest.mark.parametrize(
    ("text", "sqlite", "postgresql"),
    [
        ("SELECT 1 WHERE a = :a", "SELECT 1 WHERE a = :a", "SELECT 1 WHERE a = :a"),
        ("id IN [:ids]", "id IN (SELECT value FROM json_each(:ids))", "id = ANY (:ids)"),
        ("id NOT IN [:ids]", "id NOT IN (SELECT value FROM json_each(:ids))", "id <> ALL (:ids)"),
    ],
)
def test_lists_become_what_each_database_takes_in_one_parameter(text: str, sqlite: str, postgresql: str) -> None:
    statement = Statement(text)
    assert (statement.sqlite, statement.postgresql) == (sqlite, postgresql)
    assert statement.lists == (("ids",) if "[" in text else ())
