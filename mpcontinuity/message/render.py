"""Computes, once at delivery, what FETCH needs of a message. rendered.py reads the result.

The result is called *rendered* and is stored with the message. Its form is described below.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

from mpcontinuity.message import dates
from mpcontinuity.message.bodystructure import structure
from mpcontinuity.message.envelope import envelope
from mpcontinuity.message.fields import Content
from mpcontinuity.message.lineends import octets_added
from mpcontinuity.message.references import digests
from mpcontinuity.message.structure import Part, scan

# Raised when what is rendered of a message changes: what an older version stored is rendered again when it is read, and
# stored. Version 2: nothing beyond ASCII, parts behind what were limits, `octets_added`.
VERSION: Final = 2

# Version, which segments are left out, day of the Date field (proleptic Gregorian ordinal, 0: none), octets of the
# header block; then the lengths of the segments ENVELOPE, BODY, BODYSTRUCTURE, header with a line end before it (0: it
# is not stored), parts. At the end, since version 2: ADDED. Between the segments and it are the digests of
# message/references.py, of DIGEST octets each, but for what was rendered when there were none yet.
HEAD: Final = struct.Struct("<HHIIIIIII")
# A part, breadth first, so that siblings stand together: begin of its header, of its body, of the text of the message
# that it holds (0: it holds none), its end; index of its first child, and their number.
PART: Final = struct.Struct("<IIIIII")
ADDED: Final = struct.Struct("<I")  # lineends.octets_added
DIGEST: Final = 8
MAX_STORED_HEADER: Final = 16 * 1024

# What is stored takes so much at most: all there is of an ordinary message. Of parts and addresses of some octets each
# it could be thirty times the message; what does not fit is rendered again from the message when it is asked for.
ROOM: Final = 8 * 1024  # octets
ROOM_PER_OCTET: Final = 2


class Segment(enum.IntFlag):
    """The pieces of what is rendered. Those that would take too much room are left out."""

    ENVELOPE = 1
    BODY = 2  # and BODYSTRUCTURE
    HEADER = 4
    PARTS = 8  # but the message itself


def render(content: Content) -> bytes:
    """Returns what is rendered of a message, as it is stored. Never raises."""
    return render_scanned(content, scan(content))


def render_whole(content: Content) -> bytes:
    """Returns what is rendered of a message with nothing left out, in order to answer a client."""
    return _blob(content, scan(content), None)


def render_scanned(content: Content, root: Part) -> bytes:
    """Returns the same as `render`, for a message whose structure is known already."""
    return _blob(content, root, ROOM + ROOM_PER_OCTET * len(content))


def _blob(content: Content, root: Part, room: int | None) -> bytes:
    length = root.body
    header = b"\n" + content[:length] if length <= MAX_STORED_HEADER else b""
    body, extended = structure(content, root)
    shown = envelope(root.fields)
    parts = _parts(root)
    left_out = 0
    if room is not None and len(parts) + len(shown) + len(header) + len(body) + len(extended) > room:
        parts, shown, header, body, extended, left_out = _fitting(parts, shown, header, body, extended, room)
    segments = (shown, body, extended, header, parts)
    day = dates.day(root.fields.get(b"date", b""))
    head = HEAD.pack(VERSION, left_out, day.toordinal() if day else 0, length, *map(len, segments))
    answered = b"".join([one.to_bytes(DIGEST, "little") for one in digests(root.fields)])
    return head + b"".join(segments) + answered + ADDED.pack(octets_added(content))


def _fitting(
    parts: bytes, shown: bytes, header: bytes, body: bytes, extended: bytes, room: int
) -> tuple[bytes, bytes, bytes, bytes, bytes, int]:
    """What is asked for most often, as far as there is room."""
    left_out = 0
    if len(shown) > room:
        shown, left_out = b"", left_out | Segment.ENVELOPE
    room -= len(shown)
    if len(header) > room:
        header, left_out = b"", left_out | Segment.HEADER
    room -= len(header)
    if len(body) + len(extended) > room:
        body, extended, left_out = b"", b"", left_out | Segment.BODY
    room -= len(body) + len(extended)
    if len(parts) > room:
        parts, left_out = parts[: PART.size], left_out | Segment.PARTS
    return parts, shown, header, body, extended, int(left_out)


def _parts(root: Part) -> bytes:
    """The table of parts. The first row is the message itself, as if it were what an enclosing part holds."""
    rows = [PART.pack(0, 0, root.body, root.end, 1, len(root.parts) or 1)]
    level = root.parts or [root]
    following = 1 + len(level)
    while level:
        children: list[Part] = []
        for part in level:
            below = part.parts
            text = 0
            if part.message is not None:
                text = part.message.body
                below = part.message.parts or [part.message]
            rows.append(PART.pack(part.header, part.body, text, part.end, following, len(below)))
            following += len(below)
            children += below
        level = children
    return b"".join(rows)
