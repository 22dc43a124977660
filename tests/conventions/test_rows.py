"""What a row of the database is made of has names: ``row[4]`` tells a reader nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mpcontinuity"


def by_number(source: str) -> list[int]:
    """The lines of ``source`` where a column behind the first of what is called a row is taken by its number.

    The first may be: rows of one column have no better way, and ids come first. Slices count too (``row[1:]``), but for
    those from the beginning on.
    """
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "row":
            first = node.slice.lower if isinstance(node.slice, ast.Slice) else node.slice
            if isinstance(first, ast.Constant) and isinstance(first.value, int) and first.value > 0:
                lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("a = row[0]\nb = row[1]", [2]),
        ("Body(*row[6:])", [1]),
        ("(id, *rest) = row\nrow[:3]\nrow.body", []),
        ("parts[1]\nrow[column]\nrow['name']", []),
    ],
)
def test_columns_by_number_are_seen(source: str, lines: list[int]) -> None:
    assert by_number(source) == lines


def test_columns_are_taken_by_name() -> None:
    modules = {path.relative_to(PACKAGE).as_posix(): by_number(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert {module: lines for module, lines in modules.items() if lines} == {}
