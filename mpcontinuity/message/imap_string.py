"""Writes strings as IMAP sends them (RFC 9051 §4.3): quoted where that is safe, else as a literal, and NIL for none.

Only ASCII is sent, because a client that has not enabled UTF8=ACCEPT (RFC 6855 §3), which is not offered, need not
understand more. Text is shown in encoded words instead. The header itself, which clients can ask for, is as it came.
"""

from __future__ import annotations

import re

from mpcontinuity.message import encodedwords

NIL = b"NIL"

_PLAIN = re.compile(rb"[ !#-\[\]-~]{0,1000}")
_QUOTABLE = re.compile(rb"[\t -~]{0,1000}")
_ASCII = bytes(range(1, 128))
_TO_ASCII = bytes(octet if octet in _ASCII else ord("?") for octet in range(256))


def string(value: bytes) -> bytes:
    """Returns a string as it is sent.

    Control characters and long values are sent as a literal. Octets that may not be sent become question marks.
    """
    if _PLAIN.fullmatch(value):
        return b'"%b"' % value
    if _QUOTABLE.fullmatch(value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    sent = value.translate(_TO_ASCII)
    return b"{%d}\r\n%b" % (len(value), value) if sent == value else string(sent)


def nstring(value: bytes | None) -> bytes:
    """Returns a string as it is sent, or NIL for None."""
    return NIL if value is None else string(value)


def words(value: bytes | None) -> bytes:
    """Returns a text for people as it is sent: as encoded words (RFC 2047) where it is not ASCII, NIL for None."""
    if value is None or value.isascii():
        return nstring(value)
    return string(encodedwords.encode(encodedwords.text(value)))
