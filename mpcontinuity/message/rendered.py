"""Reads what render.py wrote: each item of a FETCH is a slice of the blob."""

from __future__ import annotations

from datetime import date

from mpcontinuity.message.fields import HeaderNames
from mpcontinuity.message.render import HEAD, PART

__all__ = [
    "HeaderNames",
    "body",
    "bodystructure",
    "envelope",
    "fields",
    "header",
    "header_length",
    "section",
    "sent_date",
]

_START = HEAD.size


def envelope(blob: bytes) -> bytes:
    """ENVELOPE in its parentheses, ready for the wire."""
    return blob[_START : _START + HEAD.unpack_from(blob)[3]]


def body(blob: bytes) -> bytes:
    """BODY: the structure without extension data."""
    _, _, _, first, length, *_ = HEAD.unpack_from(blob)
    start: int = _START + first
    return blob[start : start + length]


def bodystructure(blob: bytes) -> bytes:
    _, _, _, first, second, length, *_ = HEAD.unpack_from(blob)
    start: int = _START + first + second
    return blob[start : start + length]


def header_length(blob: bytes) -> int:
    """Octets of the header block, blank line included."""
    length: int = HEAD.unpack_from(blob)[2]
    return length


def _stored_header(blob: bytes) -> tuple[int, int]:
    """Where it is in the blob, the line end before it included."""
    _, _, _, first, second, third, length, _ = HEAD.unpack_from(blob)
    start = _START + first + second + third
    return start, start + length


def header(blob: bytes) -> bytes | None:
    """The whole header block with its blank line; None: it is longer than 16 KiB and must be read from the message."""
    start, stop = _stored_header(blob)
    return blob[start + 1 : stop] if stop > start else None


def fields(blob: bytes, names: HeaderNames) -> bytes | None:
    """BODY[HEADER.FIELDS (…)]; None: read the header from the message, and ask ``names.pick``."""
    start, stop = _stored_header(blob)
    return names.pick_after_line_end(blob, start, stop) if stop > start else None


def sent_date(blob: bytes) -> date | None:
    """The day of the Date field, time and zone disregarded. None: there is no date in the message."""
    ordinal: int = HEAD.unpack_from(blob)[1]
    return date.fromordinal(ordinal) if ordinal else None


def section(blob: bytes, path: tuple[int, ...], text: str) -> tuple[int, int] | None:
    """(offset, length) in the message of BODY[1.2.TEXT] and the like; ``text`` is "", HEADER, TEXT or MIME.

    None: there is no such part. A message that is no multipart has one part, whose MIME header is the message's header.
    """
    _, _, _, first, second, third, fourth, _ = HEAD.unpack_from(blob)
    table = _START + first + second + third + fourth
    begin, start, inner, end, child, count = PART.unpack_from(blob, table)
    for number in path:
        if not 1 <= number <= count:
            return None
        begin, start, inner, end, child, count = PART.unpack_from(blob, table + (child + number - 1) * PART.size)
    if text == "":
        return start, end - start
    if text == "MIME":
        return (begin, start - begin) if path else None
    if path and not inner:  # HEADER and TEXT are of the message that a message/rfc822 part holds
        return None
    return (start, inner - start) if text == "HEADER" else (inner, end - inner)
