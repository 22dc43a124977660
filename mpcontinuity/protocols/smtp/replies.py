"""Replies of the server as they are sent (RFC 5321 §4.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from mpcontinuity.model.reply import Reply

_REPLY_LINE = 500  # RFC 5321 §4.5.3.1.5: 512 octets with code and CRLF
_MAX_REPLY_LINES = 40
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@lru_cache(maxsize=256)  # nearly all replies are constants
def encode(reply: Reply) -> bytes:
    """Returns a reply as it is sent.

    Text that another server gave may hold anything, and is made printable ASCII.
    """
    if reply.text.isascii() and reply.text.isprintable() and len(reply.text) < _REPLY_LINE - 12:
        between = f" {reply.enhanced} " if reply.enhanced else " "
        return f"{reply.code}{between}{reply.text}\r\n".encode("ascii")
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    room = _REPLY_LINE - len(prefix) - 4
    lines = [
        prefix + line[start : start + room]
        for line in reply.text.split("\n")
        for start in range(0, max(len(line), 1), room)
    ][:_MAX_REPLY_LINES]
    last = len(lines) - 1
    return b"".join(
        f"{reply.code}{' ' if number == last else '-'}{_UNPRINTABLE.sub(' ', line)}\r\n".encode("ascii", "replace")
        for number, line in enumerate(lines)
    )
