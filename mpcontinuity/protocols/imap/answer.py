"""What an IMAP server answers, read for our client: the status responses and the data that it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpcontinuity.protocols.imap import utf7
from mpcontinuity.protocols.imap.cursor import BadSyntax, Cursor

# Characters of an answer that are kept: it goes into tracking and the log, for every message and attempt.
MAX_TEXT = 500
# Parentheses inside each other of what is passed over: ENVELOPE and BODYSTRUCTURE of a server that tells them unasked.
_DEPTH = 100
# Values of one list, or of what is passed over: a mailbox has some dozens of flags, and a response with more would hold
# the reactor for as long as it takes to read it.
MAX_VALUES = 5_000

_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: ++(.*))?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([^\] ]++)(?: ++([^\]]*+))?\] *+")
_WORD = re.compile(rb"[A-Za-z0-9.-]+")
_SECTION = re.compile(rb"\[[^\]\r\n]*\](?:<[0-9]+>)?")
_NIL = re.compile(rb"nil", re.IGNORECASE)
_OTHER = re.compile(rb'\\?[^(){ \x00-\x1f\x7f"\\]+')
_NUMBERS = re.compile(rb"[0-9 ]*")
_NUMBER = re.compile(rb"[0-9]{1,20}")
_FLAG = re.compile(rb'\\?[^(){ \x00-\x1f\x7f-\xff%"\\\]]+')  # with \* among PERMANENTFLAGS


@dataclass(frozen=True, slots=True)
class Status:
    """A status response (RFC 9051 §7.1).

    ``condition`` is OK, NO, BAD, BYE or PREAUTH. ``code`` is the name of the response code in capitals, such as
    ``APPENDUID``, and ``argument`` what stands behind it in the brackets; both are empty where there is none. ``line``
    is the whole response in one printable line, for logs and tracking.
    """

    condition: str
    code: str = ""
    argument: str = ""
    text: str = ""
    line: str = ""

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.condition == "OK"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A CAPABILITY response: the names in capitals."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listed:
    r"""A LIST response: one mailbox.

    ``attributes`` are in small letters, such as ``\noselect`` and ``\sent``. ``wire`` is the name as the server writes
    it, ``name`` the same as text, or None where it is not valid modified UTF-7. ``delimiter`` separates the levels of
    the name, and is empty where there are none.
    """

    attributes: frozenset[str]
    delimiter: str
    wire: bytes
    name: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A SEARCH response: the UIDs, since only UID SEARCH is asked for."""

    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flags:
    """A FLAGS response, or the code PERMANENTFLAGS: the names as the server writes them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A FETCH response. ``header`` is the header and ``text`` what stands behind it, as far as they were asked for;
    each is None where it is not told, ``uid`` and ``size`` likewise."""

    uid: int | None = None
    size: int | None = None
    header: bytes | None = None
    text: bytes | None = None
    flags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A NAMESPACE response (RFC 2342): the prefix of the user's own mailboxes, and the delimiter there."""

    prefix: bytes
    delimiter: str


Data = Capabilities | Listed | Found | Flags | Fetched | Namespace


def printable(octets: bytes) -> str:
    """Returns what a server said as one line of printable text, cut after MAX_TEXT characters: neither control
    characters nor such as turn the direction of writing reach a terminal."""
    text = octets[: MAX_TEXT * 4].decode("utf-8", "replace")[:MAX_TEXT]
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


def status(text: bytes, shown: bytes) -> Status | None:
    """Returns the status response whose condition begins ``text``, or None if it is none. ``shown`` is all of it."""
    match = _STATUS.fullmatch(text)
    if match is None:
        return None
    condition, rest = match[1].decode("ascii").upper(), match[2] or b""
    code = _CODE.match(rest)
    if code is None:
        return Status(condition, text=printable(rest), line=printable(shown))
    return Status(
        condition,
        printable(code[1]).upper(),
        (code[2] or b"").decode("utf-8", "replace").strip(),
        printable(rest[code.end() :]),
        printable(shown),
    )


def capabilities(text: str) -> Capabilities:
    """Returns the capabilities in a list of their names."""
    return Capabilities(frozenset(text.upper().split()))


def permanent_flags(argument: str) -> Flags:
    """Returns the flags in the argument of the code PERMANENTFLAGS."""
    return Flags(tuple(argument.strip("()").split()))


def data(text: bytes, literals: Sequence[bytes]) -> Data | None:
    """Returns what an untagged response behind ``* `` says, or None where it is none that our client uses.

    ``text`` has a CRLF behind the announcement of each literal, as Cursor reads it. Raises BadSyntax.
    """
    cursor = Cursor(text, literals)
    word = cursor.take(_WORD, "a response").upper()
    reader = _READERS.get(word)
    if reader is not None:
        return reader(cursor)
    if word.isdigit() and cursor.more() and cursor.take(_WORD, "a response").upper() == b"FETCH":
        cursor.space()
        return _fetched(cursor)
    return None


def _capabilities(cursor: Cursor) -> Capabilities:
    return capabilities(cursor.text[cursor.position :].decode("ascii", "replace"))


def _listed(cursor: Cursor) -> Listed:
    cursor.space()
    attributes = [name.lower() for name in _names(cursor)]
    cursor.space()
    delimiter = _delimiter(cursor)
    cursor.space()
    wire = cursor.astring("a mailbox name")
    try:
        name: str | None = utf7.decode(wire) if wire.isascii() else wire.decode("utf-8")
    except ValueError:
        name = None
    return Listed(frozenset(attributes), delimiter, wire, name)


def _delimiter(cursor: Cursor) -> str:
    return "" if cursor.match(_NIL) else (cursor.string() or b"").decode("utf-8", "replace")[:1]


def _found(cursor: Cursor) -> Found:
    """RFC 7162 §3.1.5 has ``(MODSEQ n)`` at the end, which is passed over."""
    cursor.more()
    numbers = cursor.take(_NUMBERS, "numbers").split()
    if any(len(number) > 10 for number in numbers):
        raise BadSyntax("a UID has 32 bits at most")
    return Found(tuple(map(int, numbers)))


def _flags(cursor: Cursor) -> Flags:
    cursor.space()
    return Flags(_names(cursor))


def _names(cursor: Cursor) -> tuple[str, ...]:
    cursor.open()
    found: list[str] = []
    while not cursor.closes():
        if found:
            cursor.space()
        found.append(cursor.take(_FLAG, "a flag").decode("ascii"))
        if len(found) > MAX_VALUES:
            raise BadSyntax("too many flags")
    return tuple(found)


def _fetched(cursor: Cursor) -> Fetched:
    cursor.open()
    uid = size = header = text = flags = None
    left = MAX_VALUES
    while not cursor.closes():
        left -= 1
        if left < 0:
            raise BadSyntax("too many items")
        cursor.more()
        item = cursor.take(_WORD, "an item of FETCH").upper()
        section = cursor.match(_SECTION)
        cursor.space()
        if item == b"FLAGS":
            flags = _names(cursor)
        elif item in (b"UID", b"RFC822.SIZE"):
            number = int(cursor.take(_NUMBER, "a number"))
            uid, size = (number, size) if item == b"UID" else (uid, number)
        elif item == b"BODY" and section is not None and section.group().upper().startswith((b"[HEADER", b"[TEXT]")):
            octets = None if cursor.match(_NIL) else cursor.string()
            header, text = (octets, text) if section.group().upper().startswith(b"[H") else (header, octets)
        else:
            left -= _pass_over(cursor, left)
    return Fetched(uid, size, header, text, flags)


def _namespace(cursor: Cursor) -> Namespace | None:
    """The first of the personal namespaces; the others stand behind it, and are not read."""
    cursor.space()
    if not cursor.opens():
        return None  # NIL
    cursor.open()
    prefix = cursor.string() or b""
    cursor.space()
    return Namespace(prefix, _delimiter(cursor))


def _pass_over(cursor: Cursor, most: int) -> int:
    """Passes over a value of any kind: an atom, a string, or a list of values. Returns how many that were."""
    depth = passed = 0
    while True:
        passed += 1
        if passed > most:
            raise BadSyntax("too many values")
        if cursor.opens():
            depth += 1
            if depth > _DEPTH:
                raise BadSyntax("too many parentheses inside each other")
            if not cursor.closes():
                continue
            depth -= 1
        elif cursor.string() is None:
            cursor.take(_OTHER, "a value")
        while depth and cursor.closes():
            depth -= 1
        if not depth:
            return passed
        cursor.more()


_READERS: dict[bytes, Callable[[Cursor], Data | None]] = {
    b"CAPABILITY": _capabilities,
    b"LIST": _listed,
    b"SEARCH": _found,
    b"FLAGS": _flags,
    b"NAMESPACE": _namespace,
}
