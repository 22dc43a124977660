"""Work that writes is a named function with named arguments: a store process of its own can be sent the name (0026)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mpcontinuity

PACKAGE = Path(mpcontinuity.__file__).parent
WRITES = ("run", "run_grouped", "keep", "keep_grouped")  # of Store
REPAIRS = PACKAGE / "check"  # by hand, in the process that has the store open


def functions(within: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(within) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def local_names(function: ast.AST) -> set[str]:
    """Functions and lambdas with a name that are made anew in each call of ``function``."""
    lambdas = [
        node for node in ast.walk(function) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
    ]
    targets = {target.id for node in lambdas for target in node.targets if isinstance(target, ast.Name)}
    return {inner.name for inner in functions(function) if inner is not function} | targets


def closures(text: str) -> list[str]:
    """Calls of a store's writing methods that are given a closure."""
    found = set()
    for function in functions(ast.parse(text)):
        local = local_names(function)
        for call in ast.walk(function):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in WRITES):
                continue
            if "store" not in ast.unparse(call.func.value):
                continue
            for node in (part for argument in call.args for part in ast.walk(argument)):
                if isinstance(node, ast.Lambda) or (isinstance(node, ast.Name) and node.id in local):
                    found.add(f"{call.lineno}: {ast.unparse(call)}")
    return sorted(found)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("async def f(store):\n  await store.run(lambda tx: 1)", 1),
        ("async def f(self):\n  def work(tx): ...\n  await self._store.run(partial(work, a=1), bulk=True)", 1),
        ("async def f(store):\n  work = lambda tx: 1\n  await store.run_grouped(work, 1)", 1),
        ("def work(tx): ...\nasync def f(store):\n  await store.run(partial(work, a=1))", 0),
        ("async def f(store):\n  await store.read(lambda tx: 1)", 0),
        ("async def f(store, work):\n  await store.run(work)", 0),
    ],
)
def test_a_closure_is_found_where_there_is_one(text: str, count: int) -> None:
    assert len(closures(text)) == count


def test_what_writes_has_a_name() -> None:
    found = {
        str(path.relative_to(PACKAGE)): calls
        for path in sorted(PACKAGE.rglob("*.py"))
        if REPAIRS not in path.parents and (calls := closures(path.read_text()))
    }
    assert found == {}
