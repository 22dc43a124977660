"""Reads and writes what follows DATA and BDAT, and checks the rules that a message must keep.

After DATA, dots are doubled, and a dot ends the message (RFC 5321 §4.1.1.4, §4.5.2). BDAT announces the octets that
follow (RFC 3030).
"""

from __future__ import annotations

import re

from mpcontinuity.message.header_limits import LIMITS, HeaderMeasure
from mpcontinuity.model.reply import Reply

BARE_LINE_END = Reply(550, "5.6.11", "Lines must end in CRLF: the message has a bare CR or LF")

DOT_AND_NULS = Reply(550, "5.6.11", "A line of NULs and a dot is not taken")

LONG_HEADER = Reply(552, "5.3.4", f"Not taken: {LIMITS}")

_END = b"\r\n.\r\n"
_NULS = re.compile(rb"\0+")
_NUL_END = re.compile(rb"\r\n\0\.\0?\r\n")
_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")


class _Content:
    """The rules for content as it arrives. From the first fault on the rest is read and dropped."""

    def __init__(self, message_size: int, line_length: int, normalise: bool = False) -> None:
        self.size = 0  # of the content so far, dots undone
        self.fault: Reply | None = None
        self.bare = False  # it came by BDAT and has a bare CR or LF
        self._bare_allowed = False
        self._message_size = message_size
        self._line_length = line_length
        self._normalise = normalise
        self._carriage_returns = self._line_feeds = self._pairs = 0
        self._after_cr = False
        self._line = 0  # octets so far of the line that is not yet complete
        self._nul_line: bytes | None = None  # once a NUL has come: that line, or what matters of it
        self._header = HeaderMeasure()

    def _checked(self, content: bytes, last: bool) -> bytes:
        self.size += len(content)
        if self.fault is not None:
            return b""
        if self._normalise:
            content = self._normalised(content, last)
        if self._nul_line is not None or b"\0" in content:
            self._check_nuls(content)
        if not self._normalise:
            self._count_line_ends(content)
            even = self._pairs == self._line_feeds == self._carriage_returns
            if not even and not (self._after_cr and not last and self._only_the_last_cr_is_open()):
                self.bare = True
                if not self._bare_allowed:
                    self.fault = BARE_LINE_END
        if self._header.feed(content):
            self.fault = LONG_HEADER
        if self.size > self._message_size:
            self.fault = _too_large(self._message_size)
        elif self._has_long_line(content):
            self.fault = Reply(554, "5.6.0", f"Message has a line longer than {self._line_length} octets")
        return content if self.fault is None else b""

    def _count_line_ends(self, content: bytes) -> None:
        if not content:
            return
        # Three counts cost a tenth of a regular expression for bare CR and LF (design, 'Traps').
        self._pairs += content.count(b"\r\n") + (self._after_cr and content[0] == 10)
        self._line_feeds += content.count(b"\n")
        self._carriage_returns += content.count(b"\r")
        self._after_cr = content[-1] == 13

    def _check_nuls(self, content: bytes) -> None:
        """Some servers drop NULs before they look for the end of data: to them CRLF NUL dot CRLF is one."""
        before = self._nul_line
        if before is None:
            before = b"x\r" if self._after_cr and not self._normalise else b"x" if self._line else b"\r\n"
        stream = _NULS.sub(b"\0", before + content)
        if _NUL_END.search(stream):
            self.fault = DOT_AND_NULS
        line = stream[max(stream.rfind(b"\n") - 1, 0) :]
        self._nul_line = line if len(line) <= len(b"\r\n\0.\0\r") else b"x\r" if line.endswith(b"\r") else b"x"

    def _only_the_last_cr_is_open(self) -> bool:
        return self._pairs == self._line_feeds == self._carriage_returns - 1

    def _normalised(self, content: bytes, last: bool) -> bytes:
        """Every CR, LF or CRLF as CRLF; a CR at the end of a piece waits for what follows it."""
        if self._after_cr:
            content = b"\r" + content
        self._after_cr = not last and content.endswith(b"\r")
        if self._after_cr:
            content = content[:-1]
        if content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r"):
            return content
        return _ANY_LINE_END.sub(b"\r\n", content)

    def _has_long_line(self, content: bytes) -> bool:
        limit = self._line_length + 2  # its CRLF does not count
        if self._line + len(content) <= limit:
            last = content.rfind(b"\n")
            self._line = self._line + len(content) if last < 0 else len(content) - last - 1
            return False
        # A line is too long where no LF lies in the octets that it may have: leap from one to the next.
        start = -self._line
        while start + limit < len(content):
            line_feed = content.rfind(b"\n", max(start, 0), max(start + limit, 0))
            if line_feed < 0:
                return True
            start = line_feed + 1
        last = content.rfind(b"\n", max(start, 0))
        self._line = len(content) - (last + 1 if last >= 0 else start)
        return False


class DataReader(_Content):
    """Reads one message as it arrives: finds its end, removes doubled dots, and notices what is wrong with it.

    Only CRLF.CRLF ends a message. Every other mixture of CR, LF and dot is content, so that no two servers can disagree
    about where it ends.
    """

    def __init__(self, message_size: int, line_length: int, normalise: bool = False) -> None:
        super().__init__(message_size, line_length, normalise)
        # The longest end of what came that may be the beginning of the end of data. The CRLF before the first line
        # is the one that ended the command DATA. CR and LF of it have been given out already, a dot has not.
        self._tail = b"\r\n"

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """Takes octets from ``start`` of ``data`` on.

        It returns the content that is certain by now, and where in ``data`` the message ended, or -1.
        """
        tail = self._tail
        stream = tail + data[start:]
        emitted = min(len(tail), 2)
        end = stream.find(_END)
        if end < 0:
            self._tail = _tail_of(stream)
            content = stream[: len(stream) - max(0, len(self._tail) - 2)].replace(b"\r\n.", b"\r\n")[emitted:]
            return self._checked(content, last=False), -1
        content = stream[: end + 2].replace(b"\r\n.", b"\r\n")[emitted:]
        return self._checked(content, last=True), end + len(_END) - len(tail) + start


class ChunkReader(_Content):
    """Reads one message in chunks of announced length.

    Nothing in the octets ends it, so that a bare CR or LF is content. Whoever passes such a message on must use BDAT
    too.
    """

    def __init__(self, message_size: int, line_length: int, normalise: bool = False) -> None:
        super().__init__(message_size, line_length, normalise)
        self._bare_allowed = True
        self.left = 0  # octets of the chunk that are still to come
        self.last = False

    def announce(self, length: int, last: bool) -> None:
        """Says that this many octets follow, by BDAT. Call ``feed`` then, also where there are none."""
        self.left, self.last = length, last
        if self.fault is None and self.size + length > self._message_size:
            self.fault = _too_large(self._message_size)

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """Takes octets as `DataReader.feed` does; the end is that of the chunk."""
        end = min(len(data), start + self.left)
        self.left -= end - start
        return self._checked(data[start:end], last=self.last and not self.left), -1 if self.left else end


class Dropping:
    """Reads and drops the octets of a BDAT that is refused, before it is answered (RFC 3030 §2)."""

    def __init__(self, length: int, reply: Reply) -> None:
        self.left = length
        self.reply = reply

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """Takes octets as `ChunkReader.feed` does."""
        end = min(len(data), start + self.left)
        self.left -= end - start
        return b"", -1 if self.left else end


def _too_large(limit: int) -> Reply:
    return Reply(552, "5.3.4", f"Message is larger than {limit} octets")


def _tail_of(stream: bytes) -> bytes:
    for length in (4, 3, 2, 1):
        if stream.endswith(_END[:length]):
            return _END[:length]
    return b""


class DotStuffer:
    """Doubles the dot at the beginning of each line of a message, however it is cut into pieces."""

    def __init__(self) -> None:
        self._tail = b"\r\n"  # how the stream ended so far, as much as matters

    def feed(self, data: bytes) -> bytes:
        """Takes the next piece of the message, and returns what is to be sent."""
        if not data:
            return data
        tail = self._tail
        self._tail = b"\r\n" if data.endswith(b"\r\n") or (tail == b"\r" and data == b"\n") else data[-1:]
        if tail == b"\r\n" and data[0] == 46:
            data = b"." + data
        elif tail == b"\r" and data.startswith(b"\n."):
            data = b"\n." + data[1:]
        return data.replace(b"\r\n.", b"\r\n..")

    def finish(self) -> bytes:
        """Returns the final dot, on a line of its own."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
