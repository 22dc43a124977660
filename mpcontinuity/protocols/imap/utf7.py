"""Modified UTF-7 (RFC 3501 §5.1.3): names of mailboxes as IMAP sends them. In the store they are plain text."""

from __future__ import annotations

import binascii
import re

_SHIFTED = re.compile(r"[^\x20-\x7e]+")  # printable US-ASCII stands for itself
_TOKEN = re.compile(rb"[\x20-\x25\x27-\x7e]+|&([A-Za-z0-9+,]*)-")


def encode(name: str) -> bytes:
    """Returns a name as it is sent. A lone surrogate, which no text has, becomes U+FFFD."""
    name = name.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
    return _SHIFTED.sub(_shift, name.replace("&", "&-")).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    base64 = binascii.b2a_base64(match.group().encode("utf-16-be"), newline=False)
    return "&" + base64.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(wire: bytes) -> str:
    """Returns the name in its canonical form. Raises ValueError for any other form.

    Two forms of one name would be two mailboxes to a client.
    """
    parts = []
    position = 0
    while position < len(wire):
        token = _TOKEN.match(wire, position)
        if token is None:
            raise ValueError("not modified UTF-7")
        position = token.end()
        base64 = token.group(1)
        if base64 is None:
            parts.append(token.group().decode("ascii"))
        elif base64:
            parts.append(_unshift(base64))
        else:
            parts.append("&")
    name = "".join(parts)
    if encode(name) != wire:
        raise ValueError("not the canonical form in modified UTF-7")
    return name


def _unshift(base64: bytes) -> str:
    padded = base64.replace(b",", b"/") + b"=" * (-len(base64) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be")  # binascii.Error and UnicodeError are ValueErrors
