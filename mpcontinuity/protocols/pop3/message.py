"""A message, or the part of it that TOP asks for, as POP3 sends it (RFC 1939 §3).

Lines end in CRLF, dots at their beginning are doubled, and a dot ends the message.
"""

from __future__ import annotations

import re

_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")
# One search by memchr for a bare LF and for a dot that begins a line: twice as fast as to count and to replace.
_BARE_LF_OR_DOT = re.compile(rb"\n(?:\.|(?<=[^\r]\n))")


def on_the_wire(content: bytes, lines: int = -1) -> bytes:
    """Returns the whole message as it is sent. ``lines`` is as for Stream."""
    stream = Stream(lines)
    return stream.feed(content) + stream.finish()


class Stream:
    """Turns a message into what is sent, in pieces.

    ``lines`` is how many lines of the body are sent, as TOP asks for; -1 stands for the whole message. A bare CR or LF,
    which some clients take for the end of a line and others do not, becomes CRLF, so that nobody can disagree about
    where the message ends. A message that is a header only gets a blank line behind it, because some clients (Outlook)
    wait for more without it. message/lineends.py counts what that adds to the message.
    """

    def __init__(self, lines: int = -1) -> None:
        self.complete = False  # all that is wanted was given: nothing more needs to be fed
        self._lines = lines
        self._in_header = True
        self._begins_line = True  # so far as it was given out
        self._open_cr = False  # a CR at the end of a piece waits for what follows it

    def feed(self, data: bytes) -> bytes:
        """Takes the next piece of the message, and returns what is to be sent now."""
        return self._given(data, last=False)

    def finish(self) -> bytes:
        """Returns the rest of it, and the final dot."""
        last = self._given(b"", last=True)
        if not self._begins_line:
            last += b"\r\n"
        if self._in_header and not self.complete:
            last += b"\r\n"
        return last + b".\r\n"

    def _given(self, data: bytes, *, last: bool) -> bytes:
        if self.complete:
            return b""
        data, plain = self._with_crlf(data, last)
        if self._lines >= 0:
            data = self._limited(data)
        elif self._in_header:
            self._in_header = not self._blank_line_in(data)
        if not data:
            return data
        stuffed = data if plain else data.replace(b"\r\n.", b"\r\n..")
        if self._begins_line and data[0] == 46:
            stuffed = b"." + stuffed
        self._begins_line = data.endswith(b"\r\n")
        return stuffed

    def _with_crlf(self, data: bytes, last: bool) -> tuple[bytes, bool]:
        """All lines end in CRLF; and whether no line but the first begins with a dot."""
        if self._open_cr:
            data = b"\r" + data
        self._open_cr = not last and data.endswith(b"\r")
        if self._open_cr:
            data = data[:-1]
        if data[:1] != b"\n" and _BARE_LF_OR_DOT.search(data) is None and _as_many(data):
            return data, True
        if data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
            return data, False
        return _ANY_LINE_END.sub(b"\r\n", data), False

    def _blank_line_in(self, data: bytes) -> bool:
        return b"\r\n\r\n" in data or (self._begins_line and data.startswith(b"\r\n"))

    def _limited(self, data: bytes) -> bytes:
        begins_line = self._begins_line
        position = 0
        while (end := data.find(b"\r\n", position)) >= 0:
            blank = end == position and begins_line
            begins_line = True
            position = end + 2
            if not self._in_header:
                self._lines -= 1
            elif blank:
                self._in_header = False
            if not self._in_header and not self._lines:
                self.complete = True
                return data[:position]
        return data


def _as_many(data: bytes) -> bool:
    """Whether it has as many LF as CR: to delete them is faster than to count them."""
    return len(data.replace(b"\n", b"")) == len(data.replace(b"\r", b""))
