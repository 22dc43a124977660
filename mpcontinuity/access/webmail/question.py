"""What people type to find messages, read into a question that folders and the archive answer.

Words with blanks between; all must hold. Reading it is linear, and knows neither folders nor the archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from mpcontinuity.archive.query import Condition, Contains, Field, HasAttachment, IsAddress, Query
from mpcontinuity.archive.words import words
from mpcontinuity.model import flags, identifier, search
from mpcontinuity.model.address import BadAddress
from mpcontinuity.model.address import parse as parse_address
from mpcontinuity.model.clock import EARLIEST, LATEST, SECOND
from mpcontinuity.model.search import (
    And,
    BodyContains,
    HasFlag,
    HeaderContains,
    InternalDate,
    Key,
    Not,
    Or,
    Size,
    When,
)
from mpcontinuity.web.languages import marked

LONGEST: Final = 1_000  # characters: more is pasted by mistake
MOST_WORDS: Final = 32  # each may read every message
_SHOWN: Final = 40  # characters of a word in an error
MOST_DAYS: Final = 100_000

_WORD = re.compile(r'(-?)(?:([A-Za-z]{1,20}):)?("[^"]*"|[^\s"]*)(?=\s|$)')
_YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_MONTH = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})")
_AGO = re.compile(r"([0-9]{1,6})([dwmy])")
_AGO_DAYS: Final = {"d": 1, "w": 7, "m": 30, "y": 365}
_SIZE = re.compile(r"([0-9]{1,12})([kmg]?)b?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

_QUOTE = marked('A quotation mark in "%(word)s" has no partner: put both around the words, as in "two words".')
_TOO_LONG = marked("This is too long for a search: at most %(most)d letters are allowed.")
_TOO_MANY = marked("These are too many words: at most %(most)d are allowed.")
_UNKNOWN = marked(
    '"%(word)s" is not understood. Known are from:, to:, subject:, body:, has:attachment, is:unread, is:flagged, '
    "before:, after:, on:, larger: and smaller:. To look for it as it stands, put it in quotation marks."
)
_NOTHING = marked('Something is missing behind "%(word)s".')
_DATE = marked('"%(word)s" has no date in it: write 2026-11-22, 22.11.2026, today, yesterday, or 7d for a week ago.')
_OCTETS = marked('"%(word)s" has no size in it: write 500k or 10M.')
_NOT_IN_ARCHIVE = marked('The archive does not know "%(word)s": it has no folders and no marks.')
_NO_LETTERS = marked('"%(word)s" has no letters or digits, by which the archive finds messages.')


class NotUnderstood(Exception):
    """Is raised for what cannot be read: ``text`` says why to people, with ``values`` put in by name."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text)
        self.text = text
        self.values = values


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a question: what stands before its colon, in small letters, and behind it, without quotation marks.

    ``shown`` is the word as it was typed, for errors.
    """

    name: str
    value: str
    negated: bool
    shown: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: all terms must hold. ``today`` is the day from which durations count."""

    terms: tuple[Term, ...]
    today: date

    def key(self) -> Key:
        """Returns what IMAP's SEARCH is asked (model/search.py). Raises NotUnderstood."""
        keys = tuple(_negated(_NAMES[term.name].key(term.value, term, self.today), term) for term in self.terms)
        return keys[0] if len(keys) == 1 else And(keys)

    def query(self) -> Query:
        """Returns what the archive is asked (archive/query.py). Raises NotUnderstood."""
        query = Query()
        all_of: list[Condition] = []
        none_of: list[Condition] = []
        for term in self.terms:
            match _NAMES[term.name].key(term.value, term, self.today):
                case InternalDate() as dated if not term.negated:
                    query = query.between(*_between(dated))
                case Size() as sized if not term.negated:
                    query = _sized(query, sized)
                case _:
                    (none_of if term.negated else all_of).append(_condition(term))
        return Query(tuple(all_of), tuple(none_of), query.since, query.until, query.larger, query.smaller)


def parse(text: str, today: date) -> Question:
    """Reads a question; an empty one finds everything. Raises NotUnderstood."""
    if len(text) > LONGEST:
        raise NotUnderstood(_TOO_LONG, most=LONGEST)
    terms: list[Term] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        if len(terms) == MOST_WORDS:
            raise NotUnderstood(_TOO_MANY, most=MOST_WORDS)
        found = _WORD.match(text, at)
        if found is None:
            raise NotUnderstood(_QUOTE, word=_shortened(text[at:]))
        terms.append(_term(found))
        at = found.end()
    question = Question(tuple(terms), today)
    question.key()  # what cannot be read is said now
    return question


def _term(found: re.Match[str]) -> Term:
    word, name, value = found[0], (found[2] or "").lower(), found[3]
    shown = _shortened(word)
    if value.startswith('"'):
        value = value[1:-1]
    elif name and name not in _NAMES:
        raise NotUnderstood(_UNKNOWN, word=shown)
    if name and name not in _NAMES:  # a word before a colon and quotation marks
        raise NotUnderstood(_UNKNOWN, word=shown)
    if not value.strip():
        raise NotUnderstood(_NOTHING, word=shown)
    return Term(name, value, bool(found[1]), shown)


def _shortened(word: str) -> str:
    shown = " ".join(word.split())
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _negated(key: Key, term: Term) -> Key:
    return Not(key) if term.negated else key


@dataclass(frozen=True, slots=True)
class _Name:
    """What a word before a colon means: the key that asks folders, by its value, and the field of the archive."""

    key: Callable[[str, Term, date], Key]
    field: Field | None = None


def _text(value: str, term: Term, today: date) -> Key:
    return BodyContains(value, headers=True)


def _body(value: str, term: Term, today: date) -> Key:
    return BodyContains(value, headers=False)


def _header(*fields: str) -> Callable[[str, Term, date], Key]:
    def key(value: str, term: Term, today: date) -> Key:
        *others, last = [HeaderContains(field, value) for field in fields]
        found: Key = last
        for one in reversed(others):
            found = Or(one, found)
        return found

    return key


def _chosen(keys: Mapping[str, Key]) -> Callable[[str, Term, date], Key]:
    def key(value: str, term: Term, today: date) -> Key:
        if value.lower() not in keys:
            raise NotUnderstood(_UNKNOWN, word=term.shown)
        return keys[value.lower()]

    return key


def _dated(when: When) -> Callable[[str, Term, date], Key]:
    def key(value: str, term: Term, today: date) -> Key:
        try:
            return InternalDate(when, _day(value.lower(), today))
        except (ValueError, OverflowError):
            raise NotUnderstood(_DATE, word=term.shown) from None

    return key


def _day(value: str, today: date) -> date:
    """Raises ValueError and OverflowError."""
    if value in ("today", "heute"):
        return today
    if value in ("yesterday", "gestern"):
        return today - timedelta(days=1)
    if found := _AGO.fullmatch(value):
        return today - timedelta(days=min(int(found[1]) * _AGO_DAYS[found[2]], MOST_DAYS))
    if found := _YEAR_FIRST.fullmatch(value):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := _DAY_FIRST.fullmatch(value):
        return date(int(found[3]), int(found[2]), int(found[1]))
    if found := _MONTH.fullmatch(value):
        return date(int(found[1]), int(found[2]), 1)
    raise ValueError(value)


def _larger(*, larger: bool) -> Callable[[str, Term, date], Key]:
    def key(value: str, term: Term, today: date) -> Key:
        found = _SIZE.fullmatch(value)
        if found is None:
            raise NotUnderstood(_OCTETS, word=term.shown)
        return Size(larger, min(int(found[1]) * _UNITS[found[2].lower()], identifier.LAST))  # as a database has room

    return key


_ATTACHMENT: Final = {"attachment": search.HasAttachment(), "attachments": search.HasAttachment()}
_STATES: Final[Mapping[str, Key]] = {
    "unread": Not(HasFlag(flags.SEEN)),
    "read": HasFlag(flags.SEEN),
    "flagged": HasFlag(flags.FLAGGED),
    "starred": HasFlag(flags.FLAGGED),
    "answered": HasFlag(flags.ANSWERED),
    "draft": HasFlag(flags.DRAFT),
}
_BEFORE, _SINCE = _Name(_dated(When.BEFORE)), _Name(_dated(When.SINCE))
_NAMES: Final[Mapping[str, _Name]] = {
    "": _Name(_text, Field.ANY),
    "from": _Name(_header("from"), Field.FROM),
    "to": _Name(_header("to", "cc", "bcc"), Field.TO),
    "subject": _Name(_header("subject"), Field.SUBJECT),
    "body": _Name(_body, Field.BODY),
    "has": _Name(_chosen(_ATTACHMENT)),
    "is": _Name(_chosen(_STATES)),
    "before": _BEFORE,
    "older": _BEFORE,
    "until": _BEFORE,
    "after": _SINCE,
    "since": _SINCE,
    "newer": _SINCE,
    "on": _Name(_dated(When.ON)),
    "larger": _Name(_larger(larger=True)),
    "smaller": _Name(_larger(larger=False)),
}


def _between(dated: InternalDate) -> tuple[int, int]:
    """The times (µs) of the days that are meant, in UTC, as IMAP has them."""
    begins = int(datetime(dated.day.year, dated.day.month, dated.day.day, tzinfo=UTC).timestamp()) * SECOND
    ends = begins + 86_400 * SECOND
    return {When.BEFORE: (EARLIEST, begins), When.SINCE: (begins, LATEST), When.ON: (begins, ends)}[dated.when]


def _sized(query: Query, sized: Size) -> Query:
    larger = max(query.larger, sized.than) if sized.larger else query.larger
    smaller = query.smaller if sized.larger else min(query.smaller, sized.than)
    return Query(query.all_of, query.none_of, query.since, query.until, larger, smaller)


def _condition(term: Term) -> Condition:
    if term.name == "has":
        return HasAttachment()
    where = _NAMES[term.name].field
    if where is None:
        raise NotUnderstood(_NOT_IN_ARCHIVE, word=term.shown)
    if where in (Field.FROM, Field.TO) and "@" in term.value.strip("@"):
        try:
            return IsAddress(where, parse_address(term.value).key)
        except BadAddress:
            pass
    wanted = frozenset(words(term.value))
    if not wanted:
        raise NotUnderstood(_NO_LETTERS, word=term.shown)
    return Contains(where, wanted)
