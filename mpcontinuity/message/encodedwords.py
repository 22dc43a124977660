"""Reads and writes encoded words (RFC 2047), which are how header fields hold text beyond ASCII."""

from __future__ import annotations

import binascii
import re
from typing import Final

from mpcontinuity.message.charset import decode
from mpcontinuity.message.fields import line

# The language of RFC 2231 §5 after `*` is dropped. Blanks within are not allowed, but some clients write them, and
# question marks in Q words: no more than some of them, so that a value full of beginnings is read in linear time.
_WORD = re.compile(
    rb"=\?[ \t]{0,4}([^?*\s]{1,64})(?:\*[^?\s]*+)?[ \t]{0,4}\?[ \t]{0,4}([bBqQ])[ \t]{0,4}"
    rb"\?([^?\r\n]*+(?:(?<!=)\?(?!=)[^?\r\n]*+){0,4})\?="
)


def text(value: bytes) -> str:
    """Returns the value of a header field as people read it, unfolded and decoded.

    Octets beyond ASCII beside encoded words are UTF-8 if they are valid UTF-8, else Windows-1252.
    """
    value = line(value)
    if b"=?" not in value:
        return decode(value)
    pieces: list[str] = []
    pending: list[bytes] = []  # of adjacent words: a character may be cut between two of them
    charset = b""
    end = -1
    for match in _WORD.finditer(value):
        between = value[max(end, 0) : match.start()]
        adjacent = end >= 0 and not between.strip()  # blanks between two encoded words do not count (§6.2)
        if not adjacent or match[1].lower() != charset:
            pieces.append(decode(b"".join(pending), charset.decode("latin-1")))
            pending, charset = [], match[1].lower()
        if not adjacent:
            pieces.append(decode(between))
        pending.append(_payload(match[2], match[3]))
        end = match.end()
    pieces.append(decode(b"".join(pending), charset.decode("latin-1")))
    pieces.append(decode(value[max(end, 0) :]))
    return "".join(pieces)


def _payload(encoding: bytes, data: bytes) -> bytes:
    if encoding in b"bB":
        return base64(data)
    return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)


_WORD_OCTETS: Final = 45  # of text: with what stands around it a word is below the 75 characters of RFC 2047 §2


def encode(text: str) -> bytes:
    """Returns the text as encoded words with blanks between them. None ends within a character (RFC 2047 §5)."""
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    found = []
    start = 0
    while start < len(data):
        end = min(start + _WORD_OCTETS, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        found.append(b"=?utf-8?b?" + binascii.b2a_base64(data[start:end], newline=False) + b"?=")
        start = end
    return b" ".join(found)


_NOT_BASE64 = bytes(octet for octet in range(256) if not (chr(octet).isalnum() and octet < 128) and octet not in b"+/=")


def without_foreign(data: bytes) -> bytes:
    """Returns the octets without those that are not in base64's alphabet, which do not count (RFC 2045 §6.8)."""
    return data.translate(None, _NOT_BASE64)


def base64(data: bytes) -> bytes:
    """Decodes base64 leniently.

    Foreign characters are ignored, a cut end gives what it holds, and padding may be missing or stand in the middle,
    where pieces were encoded one by one.
    """
    return b"".join(map(_base64_piece, without_foreign(data).split(b"=")))


def _base64_piece(data: bytes) -> bytes:
    if len(data) % 4 == 1:  # six bits are no byte
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
