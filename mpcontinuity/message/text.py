"""The text of a message as people read it: with charsets, transfer encodings, encoded words and folds undone.

Whatever shows mail or searches it uses this. A text comes in pieces of some hundred KiB, so that neither memory nor the
time for which the interpreter is held grows with the message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from mpcontinuity.message import addresses, contenttype, encodedwords, fields
from mpcontinuity.message.charset import decode, decoded
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.message.transfer import decoder

# Octets of a body that are decoded at once.
PIECE: Final = 192 * 1024

# Of messages that are encoded, within each other: each is decoded whole, and scanned.
MAX_ENCODED: Final = 4

_ADDRESS_FIELDS: Final = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))
# What makes an address look different from how it is used: comments, quotes, blanks at its signs.
_ODD_ADDRESS = re.compile(rb'[("]|\s[@.]|[@.]\s')

# Characters that are normalised together: composing marks are sorted by insertion, in the square of their number.
_NORMALISED: Final = 128
_CASED: Final = 64 * 1024  # characters whose case is folded at once, while the interpreter is held


def of_field(value: bytes) -> str:
    """Returns the text of a header field's value, in one line."""
    return encodedwords.text(value)


def of_addresses(value: bytes) -> str:
    """Returns a list of addresses as ``Name <local@host>, …``, whatever comments and blanks it has."""
    shown = []
    for name, _, local, host in addresses.parse(value):
        address = decode(local or b"") + ("@" + decode(host) if host else "")
        shown.append(f"{of_field(name)} <{address}>" if name else address)
    return ", ".join(shown)


def of_fields(content: Content, start: int, stop: int) -> Iterator[str]:
    """Yields ``Name: text`` for each field of a header, and names of files that are in the form of RFC 2231."""
    for name, value in fields.every(content, start, stop):
        key = name.lower()
        for text in of_named(key, value):
            yield f"{decode(name)}: {text}"
        if b"*" in value and key.startswith(b"content-"):
            yield from map(contenttype.text, contenttype.parameters(fields.unfold(value)))


def of_named(name: bytes, value: bytes) -> Iterator[str]:
    """Yields the texts of a field of that name (in lower case): two for a list of addresses that is written oddly."""
    yield of_field(value)
    if name in _ADDRESS_FIELDS and _ODD_ADDRESS.search(value):
        yield of_addresses(value)


def is_text(part: Part) -> bool:
    """Returns whether people read the part: text, and what servers write, such as message/delivery-status."""
    return part.type.kind[0] in (b"text", b"message") and part.message is None and not part.parts


def of_part(content: Content, part: Part) -> Iterator[str]:
    """Yields the text of a part, in pieces."""
    return decoded(partial(octets, content, part), part.type.parameter(b"charset").decode("latin-1"))


def of_message(content: Content, root: Part, *, headers: bool, encoded: int = MAX_ENCODED) -> Iterator[Iterable[str]]:
    """Yields each text that is read in a message, in pieces.

    With ``headers``, the fields of its header and of the headers of its parts are among them. The header of an enclosed
    message is always, because it is text of the body. ``encoded`` is how many encoded messages within each other are
    read.
    """
    if headers:
        for text in of_fields(content, root.header, root.body):
            yield (text,)
    if root.message is not None:
        yield from of_message(content, root.message, headers=True, encoded=encoded)
    elif root.parts:
        for child in root.parts:
            yield from of_message(content, child, headers=headers, encoded=encoded)
    elif is_text(root):
        yield of_part(content, root)
    elif encoded and _encloses(root):  # encoded against RFC 2046 §5.2.1, and yet read by the user
        inner = b"".join(octets(content, root))
        yield from of_message(inner, scan(inner), headers=True, encoded=encoded - 1)


def _encloses(part: Part) -> bool:
    given = contenttype.content_type(part.fields.get(b"content-type", b""))
    return given is not None and given.kind == (b"message", b"rfc822")


def octets(content: Content, part: Part) -> Iterator[bytes]:
    """Returns the octets of a part's body in pieces, its transfer encoding undone."""
    encoding = part.fields.get(b"content-transfer-encoding", b"").strip().lower()
    undone = decoder(encoding.decode("latin-1"))
    for at in range(part.body, part.end, PIECE):
        yield undone.feed(content[at : min(at + PIECE, part.end)])
    yield undone.finish()


def folded(text: str) -> str:
    """Returns the text for comparison: without case (Unicode's full case folding), letters and marks composed (NFC)."""
    text = "".join(text[at : at + _CASED].casefold() for at in range(0, len(text), _CASED))
    if text.isascii():
        return text
    if len(text) <= _NORMALISED:
        return unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFC", piece) for piece in _cut(text))


def _cut(text: str) -> Iterator[str]:
    """Not before a mark, if that can be avoided."""
    start = 0
    while start < len(text):
        end = start + _NORMALISED
        while end < len(text) and end > start + _NORMALISED // 2 and not _begins(text[end]):
            end -= 1
        yield text[start:end]
        start = end


def _begins(char: str) -> bool:
    """Whether it is no mark that composes with what stands before it, nor a part of a Korean syllable."""
    return char < "\u0300" or not (unicodedata.combining(char) or "\u1160" <= char <= "\u11ff")
