"""Reads SEARCH (RFC 3501 §6.4.4, RETURN of RFC 4731). Its keys become the tree of model/search.py."""

from __future__ import annotations

import re
from collections.abc import Callable

from mpcontinuity.model import flags
from mpcontinuity.model.search import (
    All,
    And,
    BodyContains,
    HasBody,
    HasFlag,
    HeaderContains,
    InConversation,
    InternalDate,
    Key,
    Not,
    Numbers,
    Or,
    Recent,
    SentDate,
    Size,
    When,
)
from mpcontinuity.protocols.imap import objectids
from mpcontinuity.protocols.imap.cursor import BadSyntax, Cursor
from mpcontinuity.protocols.imap.limits import SEARCH_DEPTH, SEARCH_KEYS

CHARSETS = (b"US-ASCII", b"UTF-8")
ALGORITHMS = frozenset((b"ORDEREDSUBJECT", b"REFERENCES"))  # of THREAD
RETURNS = frozenset((b"MIN", b"MAX", b"ALL", b"COUNT"))

_SET = re.compile(rb"(?=[0-9*])")
_RETURN = re.compile(rb"RETURN ++", re.IGNORECASE)
_CHARSET = re.compile(rb"CHARSET ++", re.IGNORECASE)
_CONSTANT: dict[bytes, Key] = {
    b"ALL": All(),
    b"NEW": And((Recent(), Not(HasFlag(flags.SEEN)))),
    b"RECENT": Recent(),
    b"OLD": Not(Recent()),
}
for _name, _mask in (
    (b"ANSWERED", flags.ANSWERED),
    (b"DELETED", flags.DELETED),
    (b"DRAFT", flags.DRAFT),
    (b"FLAGGED", flags.FLAGGED),
    (b"SEEN", flags.SEEN),
):
    _CONSTANT[_name] = HasFlag(_mask)
    _CONSTANT[b"UN" + _name] = Not(HasFlag(_mask))


class BadCharset(Exception):
    """Raised when the client writes in a character set that is not among CHARSETS."""


def parse_returns(cursor: Cursor) -> frozenset[bytes] | None:
    """Reads ``RETURN (…)`` and the space behind it; returns None if there is none."""
    if cursor.match(_RETURN) is None:
        return None
    options = frozenset(cursor.words("a RETURN option"))
    if unknown := options - RETURNS:
        raise BadSyntax(f"{min(unknown).decode('ascii')[:40]} is no RETURN option of SEARCH")
    cursor.space()
    return options or frozenset((b"ALL",))


def parse_thread(cursor: Cursor) -> tuple[bytes, Key]:
    """Reads everything behind ``THREAD `` (RFC 5256 §5): the algorithm, the character set and the keys.

    Raises BadCharset and BadSyntax.
    """
    algorithm = cursor.word("an algorithm of THREAD")
    if algorithm not in ALGORITHMS:
        raise BadSyntax(f"{algorithm.decode('ascii')[:40]} is no algorithm of THREAD")
    cursor.space()
    if cursor.astring("a character set").upper() not in CHARSETS:
        raise BadCharset
    cursor.space()
    return algorithm, _keys(cursor, 0)


def parse_search(cursor: Cursor) -> Key:
    """Reads everything behind ``SEARCH `` or its RETURN options. Raises BadCharset and BadSyntax."""
    if cursor.match(_CHARSET) is not None:
        if cursor.astring("a character set").upper() not in CHARSETS:
            raise BadCharset
        cursor.space()
    return _keys(cursor, 0)


def _keys(cursor: Cursor, depth: int) -> Key:
    keys = [_key(cursor, depth)]
    while cursor.more():
        if len(keys) == SEARCH_KEYS:
            raise BadSyntax(f"one list has {SEARCH_KEYS} SEARCH keys at most")
        keys.append(_key(cursor, depth))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _key(cursor: Cursor, depth: int) -> Key:
    if depth > SEARCH_DEPTH:
        raise BadSyntax(f"SEARCH keys are nested {SEARCH_DEPTH} deep at most")
    if cursor.opens():
        inner = _keys(cursor, depth + 1)
        cursor.close()
        return inner
    if cursor.match(_SET):
        return Numbers(cursor.sequence_set(), uid=False)
    name = cursor.word("a SEARCH key")
    if name in _CONSTANT:
        return _CONSTANT[name]
    if name not in _PARAMETRISED:
        raise BadSyntax(f"{name.decode('ascii')[:40]} is no SEARCH key")
    cursor.space()
    return _PARAMETRISED[name](cursor, depth + 1)


def _not(cursor: Cursor, depth: int) -> Key:
    return Not(_key(cursor, depth))


def _or(cursor: Cursor, depth: int) -> Key:
    left = _key(cursor, depth)
    cursor.space()
    return Or(left, _key(cursor, depth))


def _uid(cursor: Cursor, depth: int) -> Key:
    return Numbers(cursor.sequence_set(), uid=True)


def _keyword(cursor: Cursor, depth: int) -> Key:
    return HasFlag(0, cursor.atom("a keyword").decode("ascii"))


def _unkeyword(cursor: Cursor, depth: int) -> Key:
    return Not(_keyword(cursor, depth))


def _header(cursor: Cursor, depth: int) -> Key:
    field = cursor.text_string("the name of a header field").lower()
    cursor.space()
    return HeaderContains(field, cursor.text_string())


def _field(name: str) -> Callable[[Cursor, int], Key]:
    return lambda cursor, depth: HeaderContains(name, cursor.text_string())


def _contains(*, headers: bool) -> Callable[[Cursor, int], Key]:
    return lambda cursor, depth: BodyContains(cursor.text_string(), headers)


def _internal(when: When) -> Callable[[Cursor, int], Key]:
    return lambda cursor, depth: InternalDate(when, cursor.date())


def _sent(when: When) -> Callable[[Cursor, int], Key]:
    return lambda cursor, depth: SentDate(when, cursor.date())


def _email(cursor: Cursor, depth: int) -> Key:
    return HasBody(objectids.email(cursor.take(objectids.PATTERN, "an object identifier")))


def _thread(cursor: Cursor, depth: int) -> Key:
    return InConversation(objectids.thread(cursor.take(objectids.PATTERN, "an object identifier")))


def _size(*, larger: bool) -> Callable[[Cursor, int], Key]:
    return lambda cursor, depth: Size(larger, cursor.number())


_PARAMETRISED: dict[bytes, Callable[[Cursor, int], Key]] = {
    b"NOT": _not,
    b"OR": _or,
    b"UID": _uid,
    b"KEYWORD": _keyword,
    b"UNKEYWORD": _unkeyword,
    b"HEADER": _header,
    b"BCC": _field("bcc"),
    b"CC": _field("cc"),
    b"FROM": _field("from"),
    b"SUBJECT": _field("subject"),
    b"TO": _field("to"),
    b"BODY": _contains(headers=False),
    b"TEXT": _contains(headers=True),
    b"BEFORE": _internal(When.BEFORE),
    b"ON": _internal(When.ON),
    b"SINCE": _internal(When.SINCE),
    b"SENTBEFORE": _sent(When.BEFORE),
    b"SENTON": _sent(When.ON),
    b"SENTSINCE": _sent(When.SINCE),
    b"LARGER": _size(larger=True),
    b"SMALLER": _size(larger=False),
    b"EMAILID": _email,  # RFC 8474 §6
    b"THREADID": _thread,
}
