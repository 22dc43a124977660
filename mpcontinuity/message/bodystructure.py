"""IMAP's BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) of a scanned message."""

from __future__ import annotations

from functools import lru_cache

from mpcontinuity.message import contenttype
from mpcontinuity.message.contenttype import Parameters
from mpcontinuity.message.envelope import envelope
from mpcontinuity.message.fields import unfold
from mpcontinuity.message.structure import Content, Part, lines
from mpcontinuity.message.wire import NIL, nstring, string


def structure(data: Content, part: Part) -> tuple[bytes, bytes]:
    """(BODY, BODYSTRUCTURE)."""
    if part.parts:
        return _multipart(data, part)
    get = part.fields.get
    type_ = part.type
    size = part.end - part.body
    encoding = get(b"content-transfer-encoding")
    start = b"%b %b %b %b %d" % (
        _type(type_.type, type_.subtype, type_.parameters),
        _text(get(b"content-id")),
        _text(get(b"content-description")),
        b'"7bit"' if encoding is None else _encoding(encoding),
        size,
    )
    if part.message is not None:
        inner, inner_extended = structure(data, part.message)
        shown = envelope(part.message.fields)
        count = lines(data, part.body, part.end)
        body = b"(%b %b %b %d" % (start, shown, inner, count)
        extended = b"(%b %b %b %d" % (start, shown, inner_extended, count)
    elif type_.kind[0] == b"text":
        body = extended = b"(%b %d" % (start, lines(data, part.body, part.end))
    else:
        body = extended = b"(" + start
    return body + b")", b"%b %b %b)" % (extended, _text(get(b"content-md5")), _extension(part))


def _multipart(data: Content, part: Part) -> tuple[bytes, bytes]:
    inner = [structure(data, child) for child in part.parts]
    subtype = string(part.type.subtype)
    body = b"(%b %b)" % (b"".join([short for short, _ in inner]), subtype)
    extended = b"".join([long for _, long in inner])
    return body, b"(%b %b %b %b)" % (extended, subtype, _parameters(part.type.parameters), _extension(part))


@lru_cache(maxsize=512)
def _type(type_: bytes, subtype: bytes, parameters: Parameters) -> bytes:
    return b"%b %b %b" % (string(type_), string(subtype), _parameters(parameters))


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in parameters])


def _text(value: bytes | None) -> bytes:
    return NIL if value is None else nstring(unfold(value))


def _encoding(value: bytes) -> bytes:
    """An empty one is the default (RFC 2045 §6.1); a comment behind it is dropped."""
    return string(unfold(value).partition(b"(")[0].strip().rstrip(b";") or b"7bit")


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
    tags = [tag.strip() for tag in unfold(value or b"").split(b",")]
    tags = [tag for tag in tags if tag]
    if not tags:
        return NIL
    return string(tags[0]) if len(tags) == 1 else b"(%b)" % b" ".join(map(string, tags))
