"""Shows the structure of a message as IMAP's BODY and BODYSTRUCTURE (RFC 9051 §7.5.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

from mpcontinuity.message import contenttype
from mpcontinuity.message.addresses import LONGEST_OF_ALL
from mpcontinuity.message.contenttype import Parameters
from mpcontinuity.message.envelope import envelope
from mpcontinuity.message.fields import Content, line
from mpcontinuity.message.imap_string import NIL, string, words
from mpcontinuity.message.structure import Part, lines

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_ADDRESSES = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")


def structure(data: Content, part: Part) -> tuple[bytes, bytes]:
    """Returns BODY and BODYSTRUCTURE of a part of ``data`` that was scanned by structure.py."""
    return _Writer(data).structure(part)


class _Writer:
    """Of one message."""

    def __init__(self, data: Content) -> None:
        self._data = data
        self._room = LONGEST_OF_ALL

    def structure(self, part: Part) -> tuple[bytes, bytes]:
        if part.parts:
            return self._multipart(part)
        get = part.fields.get
        type_ = part.type
        encoding = get(b"content-transfer-encoding")
        start = b"%b %b %b %b %d" % (
            _type(type_.type, type_.subtype, type_.parameters),
            _text(get(b"content-id")),
            _text(get(b"content-description")),
            b'"7bit"' if encoding is None else _encoding(encoding),
            part.end - part.body,
        )
        if part.message is not None:
            inner, inner_extended = self.structure(part.message)
            shown = envelope(self._within_room(part.message.fields))
            count = lines(self._data, part.body, part.end)
            body = b"(%b %b %b %d" % (start, shown, inner, count)
            extended = b"(%b %b %b %d" % (start, shown, inner_extended, count)
        elif type_.kind[0] == b"text":
            body = extended = b"(%b %d" % (start, lines(self._data, part.body, part.end))
        else:
            body = extended = b"(" + start
        return body + b")", b"%b %b %b)" % (extended, _text(get(b"content-md5")), _extension(part))

    def _multipart(self, part: Part) -> tuple[bytes, bytes]:
        inner = [self.structure(child) for child in part.parts]
        subtype = string(part.type.subtype)
        body = b"(%b %b)" % (b"".join([short for short, _ in inner]), subtype)
        extended = b"".join([long for _, long in inner])
        return body, b"(%b %b %b %b)" % (extended, subtype, _parameters(part.type.parameters), _extension(part))

    def _within_room(self, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Without the address lists that would be more than all enclosed messages together may show."""
        left_out = []
        for name in _ADDRESSES:
            length = len(fields.get(name, b""))
            if length <= self._room:
                self._room -= length
            else:
                left_out.append(name)
        return {name: value for name, value in fields.items() if name not in left_out} if left_out else fields


@lru_cache(maxsize=512)
def _type(type_: bytes, subtype: bytes, parameters: Parameters) -> bytes:
    return b"%b %b %b" % (string(type_), string(subtype), _parameters(parameters))


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return b"(%b)" % b" ".join([_parameter(name, value) for name, value in parameters])


def _parameter(name: bytes, value: bytes) -> bytes:
    """Letters beyond ASCII in the form of RFC 2231, which is the one for names of files."""
    if not value.isascii():
        if name.endswith(b"*"):
            value = _BEYOND_ASCII.sub(lambda octet: b"%%%02X" % ord(octet[0]), value)
        else:
            value = b"utf-8''" + quote(contenttype.text((name, value)), "").encode("ascii")
            name += b"*"
    return b"%b %b" % (string(name), string(value))


def _text(value: bytes | None) -> bytes:
    return NIL if value is None else words(line(value))


def _encoding(value: bytes) -> bytes:
    """An empty one is the default (RFC 2045 §6.1); a comment behind it is dropped."""
    return string(line(value).partition(b"(")[0].strip().rstrip(b";") or b"7bit")


def _extension(part: Part) -> bytes:
    """Disposition, language, location."""
    get = part.fields.get
    disposition = get(b"content-disposition")
    language = get(b"content-language")
    location = get(b"content-location")
    if disposition is None and language is None and location is None:
        return b"NIL NIL NIL"
    found = contenttype.disposition(disposition) if disposition is not None else None
    shown = b"(%b %b)" % (string(found[0]), _parameters(found[1])) if found else NIL
    return b"%b %b %b" % (shown, _language(language), _text(location))


def _language(value: bytes | None) -> bytes:
    tags = [tag.strip() for tag in line(value or b"").split(b",")]
    tags = [tag for tag in tags if tag]
    if not tags:
        return NIL
    return string(tags[0]) if len(tags) == 1 else b"(%b)" % b" ".join(map(string, tags))
