"""Strings as IMAP sends them (RFC 9051 §4.3): quoted where that is safe, else a literal; NIL where there is none."""

from __future__ import annotations

import re

NIL = b"NIL"

_PLAIN = re.compile(rb"[ !#-\[\]-~]{0,1000}")
_QUOTABLE = re.compile(rb"[\t -~]{0,1000}")


def string(value: bytes) -> bytes:
    """8-bit, control characters and long values go as a literal; NUL may stand in neither form and is left out."""
    if _PLAIN.fullmatch(value):
        return b'"%b"' % value
    if _QUOTABLE.fullmatch(value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\0", b"")
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    return NIL if value is None else string(value)
