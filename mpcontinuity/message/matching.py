"""SEARCH's substrings (RFC 9051 §6.4.4) in what the reader sees: charsets, transfer encodings and encoded words undone.

Case does not count, by Unicode's full case folding.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from mpcontinuity.message import contenttype, encodedwords, fields
from mpcontinuity.message.charset import decode
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import Part, scan


class Needle:
    """A text to look for, prepared once per SEARCH. An empty one is in everything that is there."""

    def __init__(self, text: str) -> None:
        self._text = text.casefold()

    def in_header(self, content: Content, field: str) -> bool:
        """Whether a field of that name, in ``content``'s own header, contains it. ``content`` may be a header block."""
        wanted = field.lower().encode("utf-8", "replace")
        for name, value in fields.read(fields.block(content)):
            if name.lower() == wanted and self._in(encodedwords.text(value)):
                return True
        return False

    def in_text(self, content: Content, headers: bool) -> bool:
        """Whether a text part contains it, or, with ``headers``, any header of the message or of a part of it."""
        return any(map(self._in, _texts(content, scan(content), headers)))

    def _in(self, text: str) -> bool:
        return self._text in text.casefold()


def _texts(data: Content, part: Part, headers: bool) -> Iterator[str]:
    """The decoded texts of a part and of what it holds. Headers of enclosed messages are text of the body."""
    if headers:
        yield from _header_texts(data[part.header : min(part.body, part.header + fields.MAX_HEADER)])
    if part.message is not None:
        yield from _texts(data, part.message, True)
    elif part.parts:
        for child in part.parts:
            yield from _texts(data, child, headers)
    elif part.type.kind[0] == b"text":
        yield decode(_decoded(data[part.body : part.end], part), part.type.parameter(b"charset").decode("latin-1"))


def _header_texts(header: bytes) -> Iterator[str]:
    for name, value in fields.read(header):
        yield f"{decode(name)}: {encodedwords.text(value)}"
        if b"*" in value and name.lower().startswith(b"content-"):  # names of files in the form of RFC 2231
            yield from map(contenttype.text, contenttype.parameters(fields.unfold(value)))


def _decoded(body: bytes, part: Part) -> bytes:
    encoding = part.fields.get(b"content-transfer-encoding", b"").strip().lower()
    if encoding == b"base64":
        return encodedwords.base64(body)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(body)
    return body
