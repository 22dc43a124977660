"""Reads what render.py wrote. Each item of a FETCH is a slice of it."""

from __future__ import annotations

import struct
from datetime import date
from typing import Final

from mpcontinuity.message import fields as header_fields
from mpcontinuity.message.fields import HeaderNames
from mpcontinuity.message.references import digests
from mpcontinuity.message.render import ADDED, DIGEST, HEAD, PART, VERSION, Segment

__all__ = [
    "ANYTHING",
    "HeaderNames",
    "body",
    "bodystructure",
    "envelope",
    "fields",
    "header",
    "header_length",
    "lacks",
    "octets_added",
    "outdated",
    "references",
    "section",
    "sent_date",
]

_START = HEAD.size
ANYTHING: Final = int(sum(Segment))
_COMPLETE = struct.pack("<HH", VERSION, 0)  # how HEAD begins where nothing is left out


def outdated(blob: bytes) -> bool:
    """Returns whether an older version of the program rendered the message."""
    return len(blob) < _START or bool(HEAD.unpack_from(blob)[0] < VERSION)


def lacks(blob: bytes, needed: int) -> bool:
    """Returns whether any of the needed segments must be rendered again, because it was left out or is outdated.

    ``needed`` is a sum of `Segment`.
    """
    if blob.startswith(_COMPLETE):
        return False
    if len(blob) < _START:
        return True
    version, left_out, *_ = HEAD.unpack_from(blob)
    return version < VERSION or bool(left_out & needed)


def octets_added(blob: bytes) -> int:
    """Returns what `lineends.octets_added` found, or 0 where an older version did not store it."""
    return 0 if outdated(blob) else int(ADDED.unpack_from(blob, len(blob) - ADDED.size)[0])


def references(blob: bytes) -> tuple[int, ...]:
    """Returns what references.digests says of the message: its own digest, 0 for none, then those that it answers.

    Where an older version rendered it, they are read from its header, if that is here, else there are none.
    """
    if not outdated(blob):
        start = _START + sum(HEAD.unpack_from(blob)[4:])
        count = (len(blob) - start - ADDED.size) // DIGEST
        if count > 0:
            return struct.unpack_from(f"<{count}Q", blob, start)
    elif len(blob) < _START:
        return (0,)
    return digests(header_fields.index(header(blob) or b""))


def envelope(blob: bytes) -> bytes:
    """Returns ENVELOPE in its parentheses, as it is sent."""
    return blob[_START : _START + HEAD.unpack_from(blob)[4]]


def body(blob: bytes) -> bytes:
    """Returns BODY: the structure without extension data."""
    _, _, _, _, first, length, *_ = HEAD.unpack_from(blob)
    start: int = _START + first
    return blob[start : start + length]


def bodystructure(blob: bytes) -> bytes:
    """Returns BODYSTRUCTURE: the structure with extension data."""
    _, _, _, _, first, second, length, *_ = HEAD.unpack_from(blob)
    start: int = _START + first + second
    return blob[start : start + length]


def header_length(blob: bytes) -> int:
    """Returns the octets of the header, including its blank line."""
    length: int = HEAD.unpack_from(blob)[3]
    return length


def _stored_header(blob: bytes) -> tuple[int, int]:
    """Where it is in the blob, the line end before it included."""
    _, _, _, _, first, second, third, length, _ = HEAD.unpack_from(blob)
    start = _START + first + second + third
    return start, start + length


def header(blob: bytes) -> bytes | None:
    """Returns the whole header with its blank line, or None where it must be read from the message."""
    start, stop = _stored_header(blob)
    return blob[start + 1 : stop] if stop > start else None


def fields(blob: bytes, names: HeaderNames) -> bytes | None:
    """Returns BODY[HEADER.FIELDS (…)], or None where ``names.pick`` must be asked about the header in the message."""
    start, stop = _stored_header(blob)
    return names.pick_after_line_end(blob, start, stop) if stop > start else None


def sent_date(blob: bytes) -> date | None:
    """Returns the day of the Date field, without regard to time and zone, or None where the message has no date."""
    ordinal: int = HEAD.unpack_from(blob)[2]
    return date.fromordinal(ordinal) if ordinal else None


def section(blob: bytes, path: tuple[int, ...], text: str) -> tuple[int, int] | None:
    """Returns where a section such as BODY[1.2.TEXT] lies in the message, as offset and length.

    ``text`` is empty, HEADER, TEXT or MIME. The result is None where there is no such part. A message that is no
    multipart has one part, whose MIME header is the header of the message.
    """
    _, _, _, _, first, second, third, fourth, _ = HEAD.unpack_from(blob)
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
