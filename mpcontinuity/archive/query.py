"""The query language of the archive: what people type to find messages, read into conditions.

A query is words with blanks between; all must hold. What it may consist of is in `GRAMMAR`. Reading it needs neither
store nor clock, and the order of its words has no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from mpcontinuity.archive.record import INBOUND, OUTBOUND
from mpcontinuity.archive.words import words
from mpcontinuity.model import durations, identifier
from mpcontinuity.model.address import BadAddress
from mpcontinuity.model.address import parse as parse_address
from mpcontinuity.model.clock import DAY, EARLIEST, LATEST, SECOND, from_iso
from mpcontinuity.model.errors import Refused

GRAMMAR: Final = (
    "words, from:, to:, subject:, body:, attachment:NAME, has:attachment, since:, until:, on: (dates),"
    " direction:inbound, direction:outbound, larger:, smaller: (as 10M), id:, message-id:; a - before one is 'not'"
)

# A query is typed or pasted by people. Each word is looked up in every part of the index.
LONGEST: Final = 4_000  # characters
MOST_WORDS: Final = 64

ANY_SIZE: Final = 1 << 62  # octets; no message has as many

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,12})([kmg]?)b?", re.IGNORECASE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORD = re.compile(r'(-?)(?:([A-Za-z-]{1,20}):)?("[^"]*"|[^\s"]*)(?=\s|$)')
_SHOWN = 40  # characters of a word in an error


class Field(Enum):
    """Where in a message words must occur. ``ANY`` is all of the others together."""

    ANY = ""
    FROM = "from"  # the sender, and the fields From and Sender
    TO = "to"  # the recipients, and the fields To and Cc
    SUBJECT = "subject"
    BODY = "body"
    ATTACHMENT = "attachment"  # names of attachments


@dataclass(frozen=True, slots=True)
class Contains:
    """All of these words occur in the field, or, with ``ANY``, each of them in some field."""

    field: Field
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class IsAddress:
    """The field, FROM or TO, has an address with this `Address.key`."""

    field: Field
    key: str


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """The message has an attachment."""


@dataclass(frozen=True, slots=True)
class IsDirection:
    """The message went this way: ``inbound`` or ``outbound``."""

    direction: str


@dataclass(frozen=True, slots=True)
class HasMessageId:
    """The message has this Message-ID, which is here without its angle brackets."""

    message_id: str


Condition = Contains | IsAddress | HasAttachment | IsDirection | HasMessageId


@dataclass(frozen=True, slots=True)
class Query:
    """What a message must be like to be found; without any words, every message is.

    ``all_of`` must hold and ``none_of`` must not. Its time, in µs, is at least ``since`` and below ``until``; its size,
    in octets, is above ``larger`` and below ``smaller``. ``ids`` of the archive, where it is not None, are the only
    ones that are found.
    """

    all_of: tuple[Condition, ...] = ()
    none_of: tuple[Condition, ...] = ()
    since: int = EARLIEST
    until: int = LATEST
    larger: int = -1
    smaller: int = ANY_SIZE
    ids: frozenset[int] | None = None

    def between(self, since: int, until: int) -> Query:
        """Returns a query that finds, of what this one does, what is not before ``since`` and is before ``until``."""
        return replace(self, since=max(self.since, since), until=min(self.until, until))


def parse(text: str, now: int) -> Query:
    """Reads a query. Durations in it (``since:7d``) are before ``now``, in µs.

    Raises Refused with one line that names the word that cannot be read, and what is allowed.
    """
    if len(text) > LONGEST:
        raise Refused(f"query: has {len(text)} characters; at most {LONGEST} are allowed")
    query = Query()
    at = count = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        count += 1
        if count > MOST_WORDS:
            raise Refused(f"query: has more than {MOST_WORDS} words")
        found = _WORD.match(text, at)
        if found is None:
            raise Refused(f"query: {_named(text[at:])}: a quote in it has no partner at the end of a word")
        query = _with(query, found, now)
        at = found.end()
    return query


def _with(query: Query, found: re.Match[str], now: int) -> Query:
    """The query with one word more."""
    word, negated, name, value = found[0], bool(found[1]), (found[2] or "").lower(), found[3]
    if value.startswith('"'):
        value = value[1:-1]
    if name in _RANGES:
        if negated:
            raise Refused(f"query: {_named(word)}: {name}: cannot be negated")
        try:
            return _RANGES[name](query, value, now)
        except ValueError as error:
            raise Refused(f"query: {_named(word)}: {error}") from None
    try:
        condition = _condition(name, value)
    except ValueError as error:
        raise Refused(f"query: {_named(word)}: {error}") from None
    if negated:
        return replace(query, none_of=(*query.none_of, condition))
    return replace(query, all_of=(*query.all_of, condition))


def _condition(name: str, value: str) -> Condition:
    if name == "has":
        if value.lower() != "attachment":
            raise ValueError("has: knows only has:attachment")
        return HasAttachment()
    if name == "direction":
        if value.lower() not in (INBOUND, OUTBOUND):
            raise ValueError(f"must be direction:{INBOUND} or direction:{OUTBOUND}")
        return IsDirection(value.lower())
    if name == "message-id":
        bare = value.strip("<>")
        if not bare:
            raise ValueError("names no Message-ID")
        return HasMessageId(bare)
    if name not in _FIELDS:
        raise ValueError(f"{name}: is unknown; allowed are {GRAMMAR}; in quotes it is looked for as it is")
    field = _FIELDS[name]
    if field in (Field.FROM, Field.TO) and "@" in value.strip("@"):
        try:
            return IsAddress(field, parse_address(value).key)
        except BadAddress as error:
            raise ValueError(f"not a mail address: {error}") from None
    wanted = frozenset(words(value))
    if not wanted:
        raise ValueError("has no letters or digits to look for")
    return Contains(field, wanted)


def _since(query: Query, value: str, now: int) -> Query:
    return replace(query, since=max(query.since, _moment(value, now)))


def _until(query: Query, value: str, now: int) -> Query:
    until = _moment(value, now) + (DAY if _DAY.fullmatch(value) else 0)
    return replace(query, until=min(query.until, until))


def _on(query: Query, value: str, now: int) -> Query:
    if not _DAY.fullmatch(value):
        raise ValueError('not a day, as "2026-11-22"')
    return _until(_since(query, value, now), value, now)


def _moment(value: str, now: int) -> int:
    """A day is meant from its beginning, in UTC."""
    try:
        return max(now - round(durations.parse(value) * SECOND), EARLIEST)
    except ValueError:
        pass
    try:
        return from_iso(value)
    except (ValueError, OverflowError):
        raise ValueError('not a time, as "2026-11-22", "2026-11-22T08:00:00+01:00", or a duration as "7d"') from None


def _larger(query: Query, value: str, _: int) -> Query:
    return replace(query, larger=max(query.larger, _octets(value)))


def _smaller(query: Query, value: str, _: int) -> Query:
    return replace(query, smaller=min(query.smaller, _octets(value)))


def _octets(value: str) -> int:
    found = _SIZE.fullmatch(value)
    if found is None:
        raise ValueError('not a size, as "20000", "500k" or "10M"')
    return min(int(found[1]) * _UNITS[found[2].lower()], ANY_SIZE)


def _id(query: Query, value: str, _: int) -> Query:
    one = frozenset([identifier.parse(value)])
    return replace(query, ids=one if query.ids is None else query.ids & one)


def _named(word: str) -> str:
    """A word in an error, in one line and not too long."""
    shown = " ".join(word.split())
    return f'"{shown}"' if len(shown) <= _SHOWN else f'"{shown[:_SHOWN]}…"'


_FIELDS = {field.value: field for field in Field}
_RANGES: dict[str, Callable[[Query, str, int], Query]] = {
    "since": _since,
    "until": _until,
    "on": _on,
    "larger": _larger,
    "smaller": _smaller,
    "id": _id,
}
