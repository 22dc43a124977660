"""Words: the glossary explains those that are used, and names that explained nothing do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mpcontinuity"

_TERM = re.compile(r"\*\*([^*]+)\*\*")

# Names of modules, classes and functions that a newcomer could not understand, and what they are called now.
PRIVATE_WORDS = {
    "aside": "examined (mailbox/rendering.py), parked (dispatch/)",
    "ear": "listener",
    "hurry": "awaited replies",
    "lending": "reservations",
    "means": "the environment of clients, flushes or dispatch; EngineSetup",
    "together": "run_grouped, by message",
}


def _terms() -> list[str]:
    return _TERM.findall((ROOT / "docs" / "glossary.md").read_text())


def _used() -> str:
    files = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts = [path.read_text() for path in files if path.name != "glossary.md"]
    return _plain(" ".join(texts))


def _plain(text: str) -> str:
    """The words in lower case, each with one blank behind it, whatever joined them."""
    return " ".join(re.split(r"[\s_-]+", text.lower()))


def _names() -> Iterator[tuple[str, str]]:
    """Each name of a package, module, class or function, with where it is."""
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(ROOT).as_posix()
        yield path.stem if path.stem != "__init__" else path.parent.name, where
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, f"{where}:{node.lineno}"


def test_each_term_of_the_glossary_is_used_in_the_code_or_in_the_documents() -> None:
    used = _used()
    assert [term for term in _terms() if not re.search(rf"\b{re.escape(_plain(term))}", used)] == []


def test_the_glossary_explains_no_term_twice() -> None:
    terms = _terms()
    assert sorted({term for term in terms if terms.count(term) > 1}) == []


def test_names_that_explained_nothing_do_not_come_back() -> None:
    found = [(name, where) for name, where in _names() if name.strip("_").lower() in PRIVATE_WORDS]
    assert found == []


@pytest.mark.parametrize("head", sorted(PACKAGE.rglob("__init__.py")), ids=lambda head: head.parent.name)
def test_the_head_of_a_package_names_each_file_and_package_in_it(head: Path) -> None:
    """Changes of the schema (store/migrations/versions/) are told apart by their numbers alone."""
    said = ast.get_docstring(ast.parse(head.read_text())) or ""
    within = [path.name for path in head.parent.iterdir() if path.suffix == ".py" and path != head]
    within += [path.parent.name for path in head.parent.glob("*/__init__.py")]
    if head.parent.name != "versions":
        assert [name for name in sorted(within) if name not in said] == []
