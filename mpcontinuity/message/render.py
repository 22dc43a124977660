"""What FETCH needs of a message, computed once at delivery (design 10). rendered.py reads the result."""

from __future__ import annotations

import struct
from typing import Final

from mpcontinuity.message import dates
from mpcontinuity.message.bodystructure import structure
from mpcontinuity.message.envelope import envelope
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import Part, scan

VERSION: Final = 1
# Version, day of the Date field (proleptic Gregorian ordinal, 0: none), octets of the header block; then the lengths of
# the segments ENVELOPE, BODY, BODYSTRUCTURE, header with a line end before it (0: it was too long), parts.
HEAD: Final = struct.Struct("<HxxIIIIIII")
# A part, breadth first, so that siblings stand together: begin of its header, of its body, of the text of the message
# that it holds (0: it holds none), its end; index of its first child, and their number.
PART: Final = struct.Struct("<IIIIII")
MAX_STORED_HEADER: Final = 16 * 1024


def render(content: Content) -> bytes:
    """The blob for a message of any bytes. Never raises."""
    return render_scanned(content, scan(content))


def render_scanned(content: Content, root: Part) -> bytes:
    """The same of a message whose structure is known."""
    length = root.body
    header = b"\n" + content[:length] if length <= MAX_STORED_HEADER else b""
    body, extended = structure(content, root)
    day = dates.day(root.fields.get(b"date", b""))
    segments = (envelope(root.fields), body, extended, header, _parts(root))
    return HEAD.pack(VERSION, day.toordinal() if day else 0, length, *map(len, segments)) + b"".join(segments)


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
