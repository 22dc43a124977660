"""Header fields (RFC 5322 §2.2), read leniently: bare LF ends a line too, lines that are no field are passed over."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from typing import Final

# What is read of one header block. Offsets and sizes stay exact beyond it; only fields there are not looked at.
MAX_HEADER: Final = 128 * 1024

# A name, blanks that RFC 822 allowed before the colon, then the value with the lines that are folded behind it.
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)

_HEADER_END = re.compile(rb"\n\r?\n")

# The address fields that must occur once and sometimes do not: what all of them say is joined.
_LISTS = frozenset((b"from", b"reply-to", b"to", b"cc", b"bcc"))


def block(content: bytes | mmap.mmap, limit: int = MAX_HEADER) -> bytes:
    """The header block at the beginning of a message, as much of it as is in the first ``limit`` octets."""
    start = content[:limit]
    if start.startswith((b"\n", b"\r\n")):
        return b""
    end = _HEADER_END.search(start)
    return start[: end.end()] if end else start


def read(header: bytes) -> list[tuple[bytes, bytes]]:
    """(name, value) of each field as it stands, folded lines and all."""
    return _FIELD.findall(header, 0, MAX_HEADER)


def index(header: bytes) -> dict[bytes, bytes]:
    """Lower-case name to value. Of a name that is repeated the first counts, address lists are joined."""
    found: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(header, 0, MAX_HEADER):
        key = name.lower()
        if key not in found:
            found[key] = value
        elif key in _LISTS:
            found[key] += b"," + value
    return found


def unfold(value: bytes) -> bytes:
    """The value in one line (RFC 5322 §2.2.3), without the blanks around it."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip()


class HeaderNames:
    """Names of BODY[HEADER.FIELDS (…)] or of .NOT, compiled once per FETCH: then about 4 µs per message.

    ``names`` come as the client wrote them; what is asked of ``pick`` is a header block, its blank line or not.
    """

    def __init__(self, names: Iterable[bytes], *, exclude: bool = False) -> None:
        either = b"|".join(sorted({re.escape(name.lower()) for name in names}))
        # Each match begins with the line end before it: a literal first byte lets the search skip along with memchr.
        start = rb"\n(?!(?:%b)[ \t]*:)[^ \t\r\n]" if exclude else rb"\n(?:%b)[ \t]*:"
        self._pattern = re.compile(start % either + rb"[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE)

    def pick(self, header: bytes) -> bytes:
        """The fields in their order and as they stand, and the blank line."""
        return self.pick_after_line_end(b"\n" + header, 0, len(header) + 1)

    def pick_after_line_end(self, data: bytes, start: int, stop: int) -> bytes:
        """``data[start]`` is a line end, the header block follows it up to ``stop``: nothing needs to be copied."""
        found = self._pattern.findall(data, start, stop)
        if not found:
            return b"\r\n"
        return b"".join(found)[1:] + (b"\n\r\n" if found[-1].endswith(b"\r") else b"\r\n\r\n")
