"""Finds the MIME structure of a message (RFC 2045, RFC 2046) as offsets into its octets, whatever they are.

There is one pass: lines that begin with ``--`` are looked up among the boundaries that are open, so that time is linear
in the size of the message, whatever is nested in it. Limits bound how far it is taken apart; nothing is left out by
them.
"""

from __future__ import annotations

import re
from typing import Final

from mpcontinuity.message import fields
from mpcontinuity.message.contenttype import PLAIN, RFC822, ContentType, content_type
from mpcontinuity.message.fields import Content

MAX_DEPTH: Final = 64  # of multiparts and messages within each other; what is deeper is not taken apart
MAX_PARTS: Final = 10_000  # of one message; further boundary lines belong to the last part
MAX_BOUNDARY: Final = 1_000  # octets of a line that may be a boundary; RFC 2046 allows 70

# Lines with dashes that are looked up one by one; where more follow each other (a dump, a log), those that are no
# boundary are passed over by one regular expression, which costs as much to compile as some hundred of them to look up.
_PATIENCE: Final = 1_000

# A message may not be encoded (RFC 2046 §5.2.1). Where it is, it can be read as a whole only.
_ENCODINGS: Final = (b"base64", b"quoted-printable")

_SLICE: Final = 1 << 20  # octets that are searched or counted at once, while the interpreter is held


class Part:
    """A message or a part of one. Its header is ``data[header:body]`` with the blank line, its body ``data[body:end]``.

    ``parts`` are set for a multipart in which parts were found, and ``message`` for a message/rfc822. A multipart
    without any part counts as text/plain, so that its user can read what is there: some clients fail at an empty
    multipart.
    """

    __slots__ = ("body", "end", "fields", "header", "message", "parts", "type")

    def __init__(self, header: int, default: ContentType) -> None:
        self.header = header
        self.body = header
        self.end = header
        self.fields: dict[bytes, bytes] = {}
        self.type = default
        self.parts: list[Part] = []
        self.message: Part | None = None


def scan(data: Content) -> Part:
    """Returns the structure of a message. Never raises."""
    return _Scanner(data).part(0, PLAIN, 0)


def lines(data: Content, start: int, stop: int) -> int:
    """Returns the number of line ends in a range. A last line without one does not count, as in other servers."""
    if isinstance(data, bytes):
        return data.count(b"\n", start, max(start, stop))
    return sum(data[at : min(at + _SLICE, stop)].count(b"\n") for at in range(start, stop, _SLICE))  # mmap has no count


class _Scanner:
    def __init__(self, data: Content) -> None:
        self._data = data
        self._size = len(data)
        self._count = 0  # of parts so far
        self._open: dict[bytes, int] = {}  # boundary -> depth of its multipart, outermost first
        self._in_vain = 0  # lines with dashes since what is open changed
        self._boundaries: re.Pattern[bytes] | None = None  # what is open, once there were too many in vain
        # The next line that begins with `--`: where it begins, where the line after it does, and its text. Nothing is
        # looked for while no boundary is open.
        self._stop()

    def _stop(self) -> None:
        """No line that could be a boundary is to come."""
        self._at = self._after = self._size
        self._line = b""

    def _opened_or_closed(self) -> None:
        self._in_vain, self._boundaries = 0, None

    def _next_dashes(self, start: int) -> None:
        """Finds the next line at or after ``start`` (where a line begins) that begins with ``--``."""
        data = self._data
        self._in_vain += 1
        if self._in_vain > _PATIENCE:
            at = self._next_likely(start)
        elif data[start : start + 2] == b"--":
            at = start
        else:
            at = self._find(b"\n--", start) + 1
        if not at:
            self._stop()
            return
        end = self._find(b"\n", at)
        self._at = at
        self._after = self._size if end < 0 else end + 1
        self._line = data[at + 2 : min(self._after, at + MAX_BOUNDARY)].rstrip(b" \t\r\n")

    def _find(self, what: bytes, start: int) -> int:
        data, size = self._data, self._size
        while start < size:
            at = data.find(what, start, start + _SLICE)
            if at >= 0:
                return at
            start += _SLICE - len(what) + 1
        return -1

    def _next_likely(self, start: int) -> int:
        """Where the next line begins that seems to be an open boundary; 0: there is none."""
        if self._boundaries is None:
            either = b"|".join(map(re.escape, self._open))
            self._boundaries = re.compile(rb"\n--(?:%b)(?:--)?[ \t\r]*+$" % either, re.MULTILINE)
        longest = max(map(len, self._open)) + 6
        return fields.search(self._boundaries, self._data, max(start - 1, 0), self._size, longest) + 1

    def _boundary(self) -> tuple[int, bool] | None:
        """Depth of the multipart whose boundary the present line is, and whether it closes it; None at the end too."""
        depth = self._open.get(self._line)
        if depth is not None:
            return depth, False
        if self._line.endswith(b"--"):
            depth = self._open.get(self._line[:-2])
            if depth is not None:
                return depth, True
        return None

    def part(self, start: int, default: ContentType, depth: int) -> Part:
        """What begins with a header at ``start``; it ends at a boundary that is open, or with the data."""
        part = Part(start, default)
        self._count += 1
        part.body = self._header_end(start)
        part.fields = fields.index_between(self._data, start, part.body)
        given = part.fields.get(b"content-type")
        if given is not None:
            part.type = content_type(given) or PLAIN
        kind = part.type.kind
        if kind[0] == b"multipart":
            self._multipart(part, depth)
            if not part.parts:
                part.type = PLAIN
        elif kind == (b"message", b"rfc822"):
            self._nested(part, depth)
        if not part.parts and part.message is None:
            self._skip_to_boundary()
        within = part.parts[-1] if part.parts else part.message
        part.end = max(within.end if within else part.body, self._content_end())
        return part

    def _header_end(self, start: int) -> int:
        """Where the body begins: behind the first blank line, or at an open boundary that comes before one."""
        # The piece before the next line with dashes; a blank line just before that line belongs to the piece.
        end = fields.end(self._data, start, self._at)
        while end < 0:
            if self._at >= self._size or self._boundary() is not None:
                return self._at
            position = max(start, self._after - 1)
            self._next_dashes(self._after)
            end = fields.blank_line(self._data, position, self._at)
        return end

    def _skip_to_boundary(self) -> None:
        """Moves on to the next line that is an open boundary."""
        while self._at < self._size and self._boundary() is None:
            self._next_dashes(self._after)

    def _content_end(self) -> int:
        """The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1)."""
        at = self._at
        if at >= self._size:
            return self._size
        return at - 2 if self._data[at - 2 : at] == b"\r\n" else at - 1

    def _multipart(self, part: Part, depth: int) -> None:
        boundary = part.type.parameter(b"boundary").rstrip()
        if not boundary or depth >= MAX_DEPTH or self._count >= MAX_PARTS or boundary in self._open:
            return
        default = RFC822 if part.type.kind[1] == b"digest" else PLAIN
        if self._in_header(part, boundary) or not self._open:
            self._next_dashes(part.body)
        self._open[boundary] = depth
        self._opened_or_closed()
        while True:
            self._skip_to_boundary()  # over the preamble; a part has moved on by itself
            found = self._boundary()
            if found != (depth, False):
                break
            if self._count >= MAX_PARTS:
                self._stop()
                break
            start = self._after
            self._next_dashes(start)
            part.parts.append(self.part(start, default, depth + 1))
        del self._open[boundary]
        self._opened_or_closed()
        if not self._open:
            self._stop()
        elif found == (depth, True):
            self._next_dashes(self._after)
            self._skip_to_boundary()  # over the epilogue

    def _in_header(self, part: Part, boundary: bytes) -> bool:
        """Whether a line of its header is its boundary: the blank line was forgotten, and the header ends there."""
        data = self._data
        at = part.header
        while (at := data.find(b"\n--" + boundary, at, part.body)) >= 0:
            after = data.find(b"\n", at + 1, part.body)
            if data[at + 3 : min(after if after >= 0 else part.body, at + MAX_BOUNDARY)].rstrip() == boundary:
                break
            at += 1
        else:
            return False
        found = fields.index_between(data, part.header, at + 1)
        if found.get(b"content-type") != part.fields.get(b"content-type"):  # what names the boundary stands behind it
            return False
        part.fields = found
        part.body = at + 1
        return True

    def _nested(self, part: Part, depth: int) -> None:
        encoding = part.fields.get(b"content-transfer-encoding", b"").strip().lower()
        if depth >= MAX_DEPTH or self._count >= MAX_PARTS or encoding in _ENCODINGS:
            kind = (b"application", b"octet-stream")  # its name, which may stand there only, is kept
            part.type = ContentType(*kind, part.type.parameters, kind)
            return
        part.message = self.part(part.body, PLAIN, depth + 1)
