"""Reads the values of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183) and their parameters (RFC
2231)."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count, takewhile
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from mpcontinuity.message import encodedwords
from mpcontinuity.message.charset import decode
from mpcontinuity.message.fields import unfold

MAX_PARAMETERS: Final = 100  # of one field; the rest is not looked at
_CACHED: Final = 128  # octets: values without a boundary or a file name come again and again

_TOKEN = rb"[^][()<>@,;:\\\"/?=\s\x00-\x20\x7f-\xff]++"
_TYPE = re.compile(rb"[ \t]*+(%b)[ \t]*+/[ \t]*+(%b)" % (_TOKEN, _TOKEN))
# A token, in quotes where some put it there; what is followed by `=` is a parameter already.
_DISPOSITION = re.compile(rb'[ \t]*+(?:"?+(%b)"?+(?![ \t]*+=))?' % _TOKEN)
# A comment, or a name, with its value if it has one: quoted, or all up to the next semicolon, blanks and all, as some
# write file names; unless a parameter follows that a semicolon is missing before. Every quantifier takes all it can and
# gives nothing back, and a name is one match with or without a value: time is linear.
_KNOWN = rb"(?:charset|boundary|name|filename|format|delsp|protocol|report-type)[ \t]*+="
_PARAMETER = re.compile(
    rb'\([^()]*+\)?+|([^=;\s"()]++)(?:[ \t]*+=[ \t]*+(?:"((?:[^"\\]++|\\[\s\S])*+)"?+'
    rb"|([^;\s]*+(?:[ \t]++(?!%b)[^;\s]++)*)))?" % _KNOWN,
    re.IGNORECASE,
)
_ESCAPE = re.compile(rb"\\([\s\S])")
_SECTION = re.compile(rb"([^*]++)\*([0-9]{1,4})(\*?)")
_UNSAFE = re.compile(rb"[^A-Za-z0-9!#$&+^_`{}|~.%'-]")

Parameters = tuple[tuple[bytes, bytes], ...]


class ContentType(NamedTuple):
    """A type of content with its parameters.

    ``type`` and ``subtype`` are as written; names of parameters are in lower case. Continued parameters are joined. A
    value in the extended form of RFC 2231 (``filename*`` with ``UTF-8''…``) keeps that form.
    """

    type: bytes
    subtype: bytes
    parameters: Parameters
    kind: tuple[bytes, bytes]  # type and subtype in lower case

    def parameter(self, name: bytes) -> bytes:
        """Returns the octets of a parameter, whatever its charset; they are empty if there is no such parameter."""
        found = dict(self.parameters)
        if name in found:
            return found[name]
        extended = found.get(name + b"*", b"")
        return unquote_to_bytes(extended.split(b"'", 2)[-1])


PLAIN: Final = ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),), (b"text", b"plain"))  # RFC 2045 §5.2
RFC822: Final = ContentType(b"message", b"rfc822", (), (b"message", b"rfc822"))  # default in a digest, RFC 2046 §5.1.5


def content_type(value: bytes) -> ContentType | None:
    """Returns the type in a field's value.

    A value that is not of the form type/subtype counts as text/plain (RFC 2045 §5.2). The result is None where it has
    no parameters either, as if the field were missing.
    """
    return _cached_content_type(value) if len(value) <= _CACHED else _content_type(value)


def _content_type(value: bytes) -> ContentType | None:
    value = unfold(value)
    match = _TYPE.match(value)
    found = parameters(value[match.end() :] if match else value)
    if match is None and not found:
        return None
    type_, subtype = match.groups() if match else PLAIN.kind
    kind = (type_.lower(), subtype.lower())
    if kind == PLAIN.kind and not any(name.startswith(b"charset") for name, _ in found):
        found += PLAIN.parameters  # the default is shown, as where there is no Content-Type
    return ContentType(type_, subtype, found, kind)


_cached_content_type = lru_cache(maxsize=512)(_content_type)


def disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """Returns the disposition in a field's value, such as ``attachment``, with its parameters.

    Parameters without a disposition are those of an attachment, as an unknown disposition is one (RFC 2183 §2.8), so
    that the name of a file is not lost. The result is None where the value has neither.
    """
    value = unfold(value)
    match = _DISPOSITION.match(value)
    found = parameters(value[match.end() :] if match else value)
    if match and match[1]:
        return match[1], found
    return (b"attachment", found) if found else None


def parameters(text: bytes) -> Parameters:
    """Returns the parameters in what follows the type, including the semicolons.

    Of a repeated name the first one counts.
    """
    found: dict[bytes, bytes] = {}
    for match in _PARAMETER.finditer(text):
        name, quoted, plain = match.groups()
        if name is None or (quoted is None and plain is None):
            continue
        found.setdefault(name.lower(), _without_comment(plain) if quoted is None else _ESCAPE.sub(rb"\1", quoted))
        if len(found) == MAX_PARAMETERS:
            break
    if any(b"*" in name for name in found):
        found = _joined(found)
    return tuple(found.items())


def _without_comment(value: bytes) -> bytes:
    """``us-ascii`` of ``us-ascii (Plain text)``. Without a blank before it it is of the value: ``report(2).pdf``."""
    value = value.strip()
    if value.endswith(b")"):
        before, _, comment = value.rpartition(b"(")
        if before.endswith((b" ", b"\t")) and comment.find(b")") == len(comment) - 1:
            return before.strip()
    return value


def _joined(found: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Continuations (RFC 2231 §3) joined in the order of their numbers, from the first that is there (some count from
    one) up to the first that is missing."""
    sections: dict[bytes, dict[int, tuple[bytes, bytes]]] = {}
    joined: dict[bytes, bytes] = {}
    for name, value in found.items():
        match = _SECTION.fullmatch(name)
        if match:
            sections.setdefault(match[1], {})[int(match[2])] = (match[3], value)
        else:
            joined[name] = value
    for name, pieces in sections.items():
        first = min(pieces)
        run = [pieces[number] for number in takewhile(pieces.__contains__, count(first))]
        if any(star for star, _ in run):  # §4.1: one extended piece makes the whole extended
            value = b"".join(
                piece if star else _UNSAFE.sub(_escape, piece.replace(b"%", b"%25")) for star, piece in run
            )
            joined.setdefault(name + b"*", value if run[0][0] and run[0][1].count(b"'") > 1 else b"''" + value)
        else:
            joined.setdefault(name, b"".join(piece for _, piece in run))
    return joined


def _escape(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(match[0])


def text(parameter: tuple[bytes, bytes]) -> str:
    """Returns the value of one of the parameters as text."""
    name, value = parameter
    if not name.endswith(b"*"):
        return encodedwords.text(value)  # not allowed there (RFC 2047 §5), and yet common
    charset, _, rest = value.partition(b"'")
    return decode(unquote_to_bytes(rest.partition(b"'")[2]), charset.decode("latin-1"))
