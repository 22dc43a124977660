"""Columns of rows have names: ``row[4]`` tells a reader nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import mpcontinuity


def _numbered(source: str) -> list[int]:
    """The lines where a column behind the first is taken out of a ``row`` by its number."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "row"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
        and node.slice.value != 0
    ]


def test_no_column_is_taken_out_of_a_row_by_its_number() -> None:
    [folder] = mpcontinuity.__path__
    sources = {path: path.read_text() for path in Path(folder).rglob("*.py")}
    assert not {str(path): lines for path, source in sources.items() if (lines := _numbered(source))}


def test_a_number_is_found() -> None:
    assert _numbered("size = row[4]\nuid = row[0]\nname = row['name']\n") == [1]
