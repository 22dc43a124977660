"""Each table is written by the SQL of one package, and read by few."""

from __future__ import annotations

import re
from collections import defaultdict

from mpcontinuity.store.schema.tables import OWNERS, metadata
from mpcontinuity.store.statement import Rows, Statement
from tests.contracts.test_statements import STATEMENTS

_WRITES = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?')
_READS = re.compile(r'(?:FROM|JOIN) "?(\w+)"?')


def _text(statement: Statement | Rows) -> str:
    return statement.sqlite[1] if isinstance(statement, Rows) else statement.sqlite


def _package(name: str) -> str:
    return name.split(".")[1]


def test_every_table_has_an_owner() -> None:
    assert set(OWNERS) == set(metadata.tables)


def test_no_table_is_written_by_another_package_than_its_owner() -> None:
    strangers = [
        (name, table)
        for name, statement in STATEMENTS
        for table in _WRITES.findall(_text(statement))
        if table in OWNERS and _package(name) != OWNERS[table][0]
    ]
    assert not strangers


def test_a_table_is_read_by_the_packages_that_are_named_with_it_and_by_no_other() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for name, statement in STATEMENTS:
        for table in (*_READS.findall(_text(statement)), *_WRITES.findall(_text(statement))):
            named[table].add(_package(name))
    assert {table: sorted(packages) for table, packages in named.items() if table in OWNERS} == {
        table: sorted(packages) for table, packages in OWNERS.items()
    }
