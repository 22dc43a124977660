"""Every statement of the product is understood by the database, and written in what both databases share."""

from __future__ import annotations

import importlib
import pkgutil
import re
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

import mpcontinuity
from mpcontinuity.store.statement import Rows, Statement
from tests.fakes.stores import empty_database

# What SQLite knows and PostgreSQL does not, or understands otherwise.
SQLITE_ONLY = re.compile(
    r"""\bINSERT\s+OR\b | \bREPLACE\s+INTO\b | \bAUTOINCREMENT\b | \browid\b | \b(date|time|datetime|strftime)\(
      | \bifnull\( | \bGLOB\b | \bjson_ | \btotal\( | \bgroup_concat\( | \bINDEXED\s+BY\b | == | "[^"]*"(?<!"offset")
      | \bLIMIT\s+:?\w+\s*,""",
    re.IGNORECASE | re.VERBOSE,
)
# A word that PostgreSQL takes as a column's name only in quotes, or behind a dot.
RESERVED = re.compile(r"(?<![\".\w:(])offset(?!\")(?=\s*[,)=<>]|\s+FROM\b)", re.IGNORECASE)


def statements() -> list[tuple[str, Statement | Rows]]:
    """All module constants, by name."""
    found: list[tuple[str, Statement | Rows]] = []
    for module_info in pkgutil.walk_packages(mpcontinuity.__path__, "mpcontinuity."):
        if ".migrations" in module_info.name:
            continue
        module = importlib.import_module(module_info.name)
        for name, value in sorted(vars(module).items()):
            found += [(f"{module_info.name}.{name}", each) for each in _within(value)]
    return found


def _within(value: object) -> list[Statement | Rows]:
    """The statement, or those in a dict, tuple or list of them, however deep."""
    if isinstance(value, Statement | Rows):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [statement for each in values for statement in _within(each)]


STATEMENTS = statements()


def test_sqlite_prepares_every_statement(tmp_path: Path) -> None:
    database = tmp_path / "database"
    database.write_bytes(empty_database().read_bytes())
    with closing(sqlite.connect(str(database))) as connection:
        for name, statement in STATEMENTS:
            if "pg_" in str(statement):  # of PostgreSQL's own tables
                continue
            if isinstance(statement, Rows):
                for text in statement.sqlite.values():
                    connection.execute(f"EXPLAIN {text}", [None] * text.count("?"))
                continue
            parameters = dict.fromkeys(re.findall(r":(\w+)", statement.sqlite))
            for listed in statement.lists:
                parameters[listed] = "[]"
            try:
                connection.execute(f"EXPLAIN {statement.sqlite}", parameters)
            except sqlite.Error as error:
                pytest.fail(f"{name}: {error}")


@pytest.mark.parametrize(("name", "statement"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_no_statement_is_for_sqlite_alone(name: str, statement: Statement | Rows) -> None:
    text = statement.postgresql[1] if isinstance(statement, Rows) else statement.postgresql
    assert not SQLITE_ONLY.search(text)
    assert not RESERVED.search(text)
