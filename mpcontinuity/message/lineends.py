"""Computes how much longer a message is once every line ends in CRLF, as POP3 sends it (RFC 1939 §3)."""

from __future__ import annotations

import re
from typing import Final

from mpcontinuity.message import fields
from mpcontinuity.message.fields import Content

_SLICE: Final = 1 << 20  # octets that are counted at once, while the interpreter is held

_BARE_LF = re.compile(rb"\n(?<=[^\r]\n)")
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)[\r\n]")


def octets_added(content: Content) -> int:
    """Returns how many octets more POP3 sends than the message has, without doubled dots and without the final dot.

    A bare CR or LF becomes CRLF, the last line is ended, and a header that nothing follows has its blank line
    (protocols/pop3/message.py).
    """
    size = len(content)
    added = 0
    start = 0
    while start < size:
        stop = min(start + _SLICE, size)
        if content[stop - 1 : stop + 1] == b"\r\n":  # they belong together
            stop += 1
        added += _bare(content[start:stop])
        start = stop
    if size and content[size - 1] not in b"\r\n":
        added += 2
    return added if _has_blank_line(content) else added + 2


def _bare(piece: bytes) -> int:
    """How many CR and LF are not CRLF. To delete octets is faster than to count them."""
    feeds = len(piece) - len(piece.replace(b"\n", b""))
    returns = len(piece) - len(piece.replace(b"\r", b""))
    if piece[:1] != b"\n" and _BARE_LF.search(piece) is None:
        return returns - feeds
    return feeds + returns - 2 * piece.count(b"\r\n")


def _has_blank_line(content: Content) -> bool:
    return content[:1] in (b"\r", b"\n") or fields.search(_BLANK_LINE, content, 0, len(content), 3) >= 0
