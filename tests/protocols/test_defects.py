"""Why the protocols are our own (design decision 1): each defect of Twisted's has its test here, listed in a table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_ROWS = [line.split("\t") for line in (Path(__file__).parent / "defects.tsv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: str(row[1]))
def test_each_defect_names_tests_that_exist(row: list[str]) -> None:
    _, _, tests = row
    if tests.startswith("(measured: "):
        return
    for name in tests.split(" "):
        path, _, function = name.partition("::")
        tree = ast.parse((_ROOT / path).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name
