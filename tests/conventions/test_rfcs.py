"""docs/rfcs.tsv and the citations in mpcontinuity/ say the same."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mpcontinuity"

_NUMBER = re.compile(r"\b\d{3,5}\b")
# "RFC 5322", "RFC 2045, 2046 and 2047", "RFC 3501 §7.1, RFC 5530".
_CITATION = re.compile(r"\bRFCs? \d{3,5}(?:(?:, | and | or )\d{4}\b)*")
_WRAPPED = re.compile(r"\s*\n\s*(?:# )?")


class Row(NamedTuple):
    """A line of docs/rfcs.tsv. ``numbers`` is empty where the standard is no RFC."""

    rfc: str
    numbers: frozenset[str]
    places: tuple[Path, ...]


def citations(text: str) -> frozenset[str]:
    """The numbers of the RFCs that ``text``, Python source, names; also where a line ends between the two words."""
    found = _CITATION.findall(_WRAPPED.sub(" ", text))
    return frozenset(number for citation in found for number in _NUMBER.findall(citation))


@cache
def cited_in(place: Path) -> frozenset[str]:
    """By a module, or by all modules below a folder."""
    files = [place] if place.is_file() else place.rglob("*.py")
    return frozenset[str]().union(*(citations(file.read_text()) for file in files))


def rows() -> list[Row]:
    """Raises ValueError where a line has not the four fields."""
    read = []
    for line in (ROOT / "docs" / "rfcs.tsv").read_text().splitlines()[1:]:
        rfc, _title, where, _state = line.split("\t")
        places = tuple(PACKAGE / place for place in where.split(", "))
        read.append(Row(rfc, frozenset(_NUMBER.findall(rfc)), places))
    return read


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ('"""One (RFC 2045, 2046 and 2047)."""', {"2045", "2046", "2047"}),
        ("# as RFC\n# 3030 has it, RFC 5321 §4.1.3", {"3030", "5321"}),
        ('b"RFC822.SIZE": 5321', set()),
        ("# RFC 5321 §4.5.3.1.4 asks for 512, more with 1024", {"5321"}),
    ],
)
def test_citations_are_read(text: str, numbers: set[str]) -> None:
    assert citations(text) == numbers


def test_every_rfc_that_is_cited_has_a_row() -> None:
    known = frozenset[str]().union(*(row.numbers for row in rows()))
    assert cited_in(PACKAGE) - known == set()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.rfc)
def test_the_places_of_a_row_cite_its_rfcs(row: Row) -> None:
    assert [place for place in row.places if not place.exists()] == []
    if row.numbers:
        assert [place for place in row.places if not cited_in(place) & row.numbers] == [], "cites none of them"
        assert row.numbers - frozenset[str]().union(*map(cited_in, row.places)) == set(), "is cited in none of them"
