"""What the documents name is there: a reader who follows a path or a test's name finds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/glossary.md",
    "docs/security.md",
    "docs/way-of-a-message.md",
)

_PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "certs").glob("*.md")]
_LONGEST_LINE = 120

_PACKAGE = ROOT / "mpcontinuity"
_PACKAGES = "|".join(sorted(path.parent.name for path in _PACKAGE.glob("*/__init__.py")))
# `store/schema/`, as documents and docstrings name modules, and `store/bodies/` as documents name packages
_MODULE = re.compile(rf"(?<![\w/.])((?:{_PACKAGES})/[\w/]*\w\.py)\b")
_FOLDER = re.compile(rf"`((?:{_PACKAGES})/(?:[\w/]*\w/)?)`")

# `mpcontinuity/routing/decision.py` (`before_asking`, `at_recipient`)
_PLACE = re.compile(r"`(mpcontinuity/[\w/]+\.py)` \(((?:`\w+`(?:, )?)+)\)")

_PATH = re.compile(r"`((?:tests|scripts|systemd|docs|mpcontinuity)/[\w./-]*\w/?)")
_LINK = re.compile(r"\]\(([^)#:]+)")
_NAMED = re.compile(r"`(mpcontinuity/[\w/]+\.py)` \(((?:`\w+`(?:, )?)+)\)")
_TEST = re.compile(r"`(test_\w+)(\.py)?`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_and_links_exist(document: str) -> None:
    path = ROOT / document
    text = path.read_text()
    missing = [named for named in _PATH.findall(text) if not (ROOT / named).exists()]
    missing += [link for link in _LINK.findall(text) if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tests_that_are_named_exist(document: str) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    names = {file.stem for file in files}
    names |= {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert [name for name, _ in _TEST.findall((ROOT / document).read_text()) if name not in names] == []


def test_functions_and_classes_that_are_named_behind_a_path_are_in_that_file() -> None:
    named = [
        (path, name)
        for document in DOCUMENTS
        for path, names in _NAMED.findall((ROOT / document).read_text())
        for name in re.findall(r"\w+", names)
    ]
    assert ("mpcontinuity/routing/decision.py", "at_message") in named
    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"^(?:class|def|async def) {name}\b", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_fragments_of_the_change_log_are_of_a_kind_that_is_known() -> None:
    kinds = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["fragment"]
    fragments = [path.name for path in (ROOT / "docs" / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in fragments if name.split(".")[1:] not in [[kind, "md"] for kind in kinds]] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_have_120_characters_at_most_but_for_tables_and_addresses(page: Path) -> None:
    lines = [line for line in page.read_text().splitlines() if not line.startswith("|") and "://" not in line]
    assert [line for line in lines if len(line) > _LONGEST_LINE] == []


@pytest.mark.parametrize("page", [*_PAGES, ROOT / "docs" / "rfcs.tsv"], ids=lambda page: page.name)
def test_modules_and_packages_that_documents_name_exist(page: Path) -> None:
    text = page.read_text()
    named = {*_MODULE.findall(text), *_FOLDER.findall(text)}
    assert (
        sorted(each for each in named if not any((root / each).exists() for root in (_PACKAGE, ROOT / "tests"))) == []
    )


def test_what_the_table_of_places_names_in_a_module_is_there() -> None:
    text = (ROOT / "docs" / "way-of-a-message.md").read_text()
    missing = [
        (module, name)
        for module, names in _PLACE.findall(text)
        for name in re.findall(r"`(\w+)`", names)
        if not re.search(rf"^\s*(?:async )?(?:def|class) {name}\b", (ROOT / module).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_modules_that_docstrings_and_comments_name_exist() -> None:
    found = [
        (path.relative_to(ROOT).as_posix(), named)
        for path in _PACKAGE.rglob("*.py")
        for named in _MODULE.findall(path.read_text())
        if not (_PACKAGE / named).exists()
    ]
    assert found == []
