"""Finds header fields (RFC 5322 §2.2).

It is lenient: a bare LF ends a line too, and lines that are no field are ignored.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

Content = bytes | mmap.mmap

# What `block` and `read` look at: enough for every field that decides something before a message is accepted. What is
# shown of a message is looked for to the header's end (`end`, `index`, `pieces`).
MAX_HEADER: Final = 128 * 1024

# What is looked at of one field; the header itself, which clients can ask for, is whole.
MAX_FIELD: Final = 1024 * 1024

# What one call of a regular expression may search: it holds the interpreter meanwhile, up to some milliseconds.
_WINDOW: Final = 64 * 1024

# A name, blanks that RFC 822 allowed before the colon, then the value with the lines that are folded behind it.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)

_HEADER_END = re.compile(rb"\n\r?\n")
_FIELD_BEGINS = re.compile(rb"\n[^ \t]")

# The fields that are shown or that say how the message is to be read. Each match begins with the line end before it: a
# literal first byte lets the search skip along with memchr, and most lines are none of them by their first letter.
_SHOWN = re.compile(
    rb"\n(?=[bcdfimrst])(bcc|cc|content-(?:type|transfer-encoding|disposition|id|description|language|location|md5)"
    rb"|date|from|in-reply-to|message-id|references|reply-to|sender|subject|to)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)",
    re.IGNORECASE,
)

# The address fields that must occur once and sometimes do not: what all of them say is joined.
_LISTS = frozenset((b"from", b"reply-to", b"to", b"cc", b"bcc"))


def block(content: Content, limit: int = MAX_HEADER) -> bytes:
    """Returns the header at the beginning of a message, as far as it is in the first ``limit`` octets."""
    start = content[:limit]
    if start.startswith((b"\n", b"\r\n")):
        return b""
    end = _HEADER_END.search(start)
    return start[: end.end()] if end else start


def read(header: bytes) -> list[tuple[bytes, bytes]]:
    """Returns the name and the value of each field as they stand, folded lines and all."""
    return _FIELD.findall(header, 0, MAX_HEADER)


def every(content: Content, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the name and the value of each field of a header within a message, up to its end."""
    for piece in pieces(content, start, stop):
        yield from _FIELD.findall(piece)


@lru_cache(maxsize=64)
def _named(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\n%b[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)" % re.escape(name), re.IGNORECASE)


def named(content: Content, start: int, stop: int, name: bytes) -> Iterator[bytes]:
    """Yields the values of the fields with this name in a header within a message."""
    pattern = _named(name)
    for piece in pieces(content, start, stop):
        yield from pattern.findall(b"\n" + piece)


def search(pattern: re.Pattern[bytes], content: Content, start: int, stop: int, longest: int) -> int:
    """Returns where a match of at most ``longest`` octets begins, or -1.

    The search goes in steps, so that the interpreter is not held for long.
    """
    while True:
        end = min(start + _WINDOW, stop)
        match = pattern.search(content, start, end)
        if match:
            return match.start()
        if end >= stop:
            return -1
        start = end - longest + 1


def end(content: Content, start: int, stop: int) -> int:
    """Returns where the header that begins at ``start`` ends, behind its blank line; -1 if it does not end before
    ``stop``."""
    blank = content[start : min(start + 2, stop)]
    if blank[:1] == b"\n":
        return start + 1
    if blank == b"\r\n":
        return start + 2
    return blank_line(content, start, stop)


def blank_line(content: Content, start: int, stop: int) -> int:
    """Returns the position behind the first blank line of the range, or -1.

    The end of the line before it must lie within the range too.
    """
    at = search(_HEADER_END, content, start, stop, 3)
    return at if at < 0 else at + 2 + (content[at + 1] == 13)


def pieces(content: Content, start: int, stop: int) -> Iterator[bytes]:
    """Yields a header in pieces of whole fields, 64 KiB or more each.

    What a field has beyond MAX_FIELD octets is left out.
    """
    while start < stop:
        cut = start + _WINDOW
        if cut >= stop:
            yield content[start:stop]
            return
        at = search(_FIELD_BEGINS, content, cut - 1, stop, 2)
        following = at + 1 if at >= 0 else stop
        yield content[start : min(following, cut + MAX_FIELD)]
        start = following


def index(header: bytes) -> dict[bytes, bytes]:
    """Returns the values of the fields that are shown or that say how to read the message, by name in lower case.

    Of a repeated name the first one counts, but lists of addresses are joined.
    """
    return index_between(header, 0, len(header))


def index_between(content: Content, start: int, stop: int) -> dict[bytes, bytes]:
    """Returns the same for a header within a message."""
    found: dict[bytes, bytes] = {}
    lists: dict[bytes, list[bytes]] = {}
    room = MAX_FIELD
    for piece in pieces(content, start, stop):
        for name, value in _SHOWN.findall(b"\n" + piece):
            key = name.lower()
            if key not in found:
                found[key] = value
            elif key in _LISTS and room > 0:
                lists.setdefault(key, [found[key]]).append(value)
                room -= len(value)
    for key, values in lists.items():
        found[key] = b",".join(values)
    return found


def line(value: bytes) -> bytes:
    """Returns the value in one line as it is shown: each fold is one blank, and there are none at the ends."""
    if b"\n" not in value:
        return value.strip()
    found: list[bytes] = []
    start = 0
    while start < len(value):
        cut = value.find(b"\n", start + _WINDOW) + 1 or len(value)
        found += filter(None, [piece.strip(b" \t\r") for piece in value[start:cut].split(b"\n")])
        start = cut
    return b" ".join(found)


def unfold(value: bytes) -> bytes:
    """Returns the value in one line (RFC 5322 §2.2.3), without the blanks at its ends."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip()


# Names that one regular expression looks for: it tries them one after the other at each line.
_MOST_IN_PATTERN: Final = 32
_ANY_FIELD = re.compile(rb"\n(?=[^ \t\r\n])(?:([^\n:]*+):)?[^\n]*+(?:\n[ \t][^\n]*+)*+")


class HeaderNames:
    """The names in BODY[HEADER.FIELDS (…)], or in .NOT where ``exclude``, prepared once for all messages of a FETCH.

    ``names`` are as the client wrote them.
    """

    def __init__(self, names: Iterable[bytes], *, exclude: bool = False) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._exclude = exclude
        self._pattern = _pattern(self._names, exclude) if len(self._names) <= _MOST_IN_PATTERN else None

    def pick(self, header: bytes) -> bytes:
        """Returns those fields of a header in their order and as they stand, and a blank line."""
        return self.pick_after_line_end(b"\n" + header, 0, len(header) + 1)

    def pick_after_line_end(self, data: bytes, start: int, stop: int) -> bytes:
        """Returns the same for the header that follows the line end at ``start`` up to ``stop``, without copying it."""
        pattern = self._pattern
        found = self._among_many(data, start, stop) if pattern is None else pattern.findall(data, start, stop)
        if not found:
            return b"\r\n"
        return b"".join(found)[1:] + (b"\n\r\n" if found[-1].endswith(b"\r") else b"\r\n\r\n")

    def _among_many(self, data: bytes, start: int, stop: int) -> list[bytes]:
        found = []
        for field in _ANY_FIELD.finditer(data, start, stop):
            name = field[1]
            wanted = name is not None and name.rstrip(b" \t").lower() in self._names
            if wanted is not self._exclude:
                found.append(field[0])
        return found


def _pattern(names: Iterable[bytes], exclude: bool) -> re.Pattern[bytes]:
    either = b"|".join(sorted(map(re.escape, names)))
    # Each match begins with the line end before it: a literal first byte lets the search skip along with memchr.
    start = rb"\n(?!(?:%b)[ \t]*:)[^ \t\r\n]" if exclude else rb"\n(?:%b)[ \t]*:"
    return re.compile(start % either + rb"[^\n]*+(?:\n[ \t][^\n]*+)*+", re.IGNORECASE)
