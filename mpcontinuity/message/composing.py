"""Writes a message that a user composes (RFC 5322, MIME), as octets between which what it encloses is put.

Nothing that it encloses is held here: `compose` says where each enclosure belongs, and an `Encoder` takes the octets of
one as they come.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from mpcontinuity.message import dates, encodedwords
from mpcontinuity.model.address import Address, quote

LONGEST_SUBJECT: Final = 1_000  # characters: more than any list of messages shows, and than anybody types
LONGEST_NAME: Final = 300  # characters of a person's or a file's name
MOST_REFERENCES: Final = 50  # messages of a thread that are named: the first one, and those before this one
_LONGEST_ID: Final = 900  # octets: a line of a header has 998 at most (RFC 5322 §2.1.1)
_LINE: Final = 76  # characters of a line of a header, where it can be folded
_PLAIN_LINE: Final = 78  # characters of a line that needs no encoding (RFC 5322 §2.1.1)
_VALUE: Final = 60  # octets of one section of a parameter (RFC 2231 §3)

# What would end a line or a text for some reader, and what turns the direction of what stands behind it: a name may not
# look like another one. Marks of a single character (U+200E, U+200F) stay.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_LINE_END = re.compile("\r\n|[\r\n\u2028\u2029\x85]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_TOKEN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@^_`{}~-]*")
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}")
_ATTRIBUTE = re.compile(rb"[^A-Za-z0-9!#$&+^_`{}~.-]")  # of the octets of a value: what is encoded (RFC 2231 §7)

MESSAGE: Final = "message/rfc822"
UNKNOWN: Final = "application/octet-stream"


class Correspondent(msgspec.Struct, frozen=True):
    """Somebody who writes or is written to: a name, which may be empty, and an address."""

    name: str
    address: Address


class Enclosure(msgspec.Struct, frozen=True):
    """What a message encloses: an attachment, or a picture that its HTML shows.

    ``kind`` is a media type. ``content_id``, without angle brackets, is by what the HTML names it; empty: it is an
    attachment.
    """

    name: str
    kind: str
    content_id: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is composed.

    ``time`` is in µs. ``message_id``, ``in_reply_to`` and ``references`` have their angle brackets. ``text`` has any
    ends of lines. ``also`` are other forms of the text, each as a media type with its parameters and a text: the last
    one is the richest (RFC 2046 §5.1.4). ``boundary`` is a token that nobody can guess, so that nothing enclosed
    can end its part.
    """

    sender: Correspondent
    to: Sequence[Correspondent] = ()
    cc: Sequence[Correspondent] = ()
    bcc: Sequence[Correspondent] = ()
    subject: str = ""
    text: str = ""
    also: Sequence[tuple[str, str]] = ()
    time: int
    message_id: str
    in_reply_to: str = ""
    references: Sequence[str] = ()
    enclosures: Sequence[Enclosure] = ()
    boundary: str


class Encoder(Protocol):
    """Makes the octets of an enclosure what stands in the message. Takes them in pieces of any size."""

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets, and returns what is to be written by now."""
        ...

    def finish(self) -> bytes:
        """Returns the rest."""
        ...


def compose(letter: Letter) -> Iterator[bytes | int]:
    """Yields the message in its order: octets, and the index of each enclosure where its own octets belong.

    Lines end in CRLF. The field Bcc is the caller's to keep from others: the submission takes it out.
    """
    yield _header(letter)
    related = [index for index, one in enumerate(letter.enclosures) if one.content_id]
    attached = [index for index, one in enumerate(letter.enclosures) if not one.content_id]
    if attached:
        yield _begin("mixed", letter.boundary)
        yield from _readable(letter, related, _open(letter.boundary))
        for index in attached:
            yield from _enclosed(letter, index, letter.boundary)
        yield _close(letter.boundary)
    else:
        yield from _readable(letter, related, b"")


def encoder(kind: str) -> Encoder:
    """Returns what encodes an enclosure of that media type. A message is not encoded (RFC 2046 §5.2.1)."""
    return _Lines() if kind.lower() == MESSAGE else _Base64()


def encoded_size(kind: str, size: int) -> int:
    """Returns how many octets an enclosure of ``size`` octets becomes; for a message, at least so many."""
    if kind.lower() == MESSAGE:
        return size
    lines = -(-size // _OCTETS)
    return -(-size // 3) * 4 + 2 * lines


def media_type(given: str) -> str:
    """Returns a media type as a client names it, without parameters; that of unknown octets where it is none.

    A client may not say that a file is a multipart, whose parts nobody has looked at.
    """
    kind = given.partition(";")[0].strip().lower()
    if not _KIND.fullmatch(kind) or kind.startswith("multipart/") or (kind.startswith("message/") and kind != MESSAGE):
        return UNKNOWN
    return kind


def shown(text: str, longest: int) -> str:
    """Returns a text as a field of a header may have it: in one line, without what controls a display."""
    return " ".join(_UNSHOWN.sub(" ", text[: longest * 4]).split())[:longest]


def thread(message_id: str, references: Sequence[str]) -> tuple[str, ...]:
    """Returns the references of an answer to a message that has this id and these references (RFC 5322 §3.6.4)."""
    found = [one for one in dict.fromkeys([*references, message_id]) if _is_id(one)]
    if len(found) > MOST_REFERENCES:
        found = [found[0], *found[1 - MOST_REFERENCES :]]
    return tuple(found)


def listed(people: Sequence[Correspondent]) -> str:
    """Returns people as they are written into a field, with names as they are read."""
    return ", ".join(
        [f"{_named(one.name)} <{written(one.address)}>" if one.name else written(one.address) for one in people]
    )


def written(address: Address) -> str:
    """Returns an address as a header has it, which is ASCII where its local part is."""
    return f"{quote(address.local)}@{address.domain}"


def _named(name: str) -> str:
    name = shown(name, LONGEST_NAME)
    if _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# Header


def _header(letter: Letter) -> bytes:
    fields = [_people("From", [letter.sender])]
    to = (("To", letter.to), ("Cc", letter.cc), ("Bcc", letter.bcc))
    fields += [_people(name, people) for name, people in to if people]
    fields.append(_folded("Subject", _words(shown(letter.subject, LONGEST_SUBJECT))))
    fields.append(f"Date: {dates.show(letter.time)}\r\n")
    fields.append(f"Message-ID: {letter.message_id}\r\n")
    if _is_id(letter.in_reply_to):
        fields.append(_folded("In-Reply-To", [letter.in_reply_to]))
    references = [one for one in letter.references if _is_id(one)]
    if references:
        fields.append(_folded("References", references))
    fields.append("MIME-Version: 1.0\r\n")
    return "".join(fields).encode("utf-8", "replace")


_ID = re.compile(r"<[!-;=?-~]+>")


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None


def _people(field: str, people: Sequence[Correspondent]) -> str:
    units: list[str] = []
    for number, one in enumerate(people, 1):
        comma = "," if number < len(people) else ""
        name = shown(one.name, LONGEST_NAME)
        if not name:
            units.append(written(one.address) + comma)
            continue
        units += _phrase(name)
        units.append(f"<{written(one.address)}>{comma}")
    return _folded(field, units)


def _phrase(name: str) -> list[str]:
    """A display name, in pieces between which a line may be folded."""
    if not name.isascii() or "=?" in name or len(name) > _LINE:
        return _encoded(name)
    return _named(name).split(" ")


def _words(text: str) -> list[str]:
    """An unstructured text, in pieces between which a line may be folded. Each blank but the one between two pieces is
    within a piece."""
    words = text.split(" ")
    if not text.isascii() or "=?" in text or any(len(word) > _LINE for word in words):
        return _encoded(text)
    return words


def _encoded(text: str) -> list[str]:
    return encodedwords.encode(text).decode("ascii").split(" ")


def _folded(name: str, units: Sequence[str]) -> str:
    """A field, whose lines are folded between units (RFC 5322 §2.2.3)."""
    lines: list[str] = []
    line = f"{name}:"
    for unit in filter(None, units):
        if len(line) + 1 + len(unit) > _LINE and len(line) > len(name) + 1:
            lines.append(line)
            line = ""
        line += f" {unit}"
    return "\r\n".join([*lines, line]) + "\r\n"


# Parts


def _begin(subtype: str, boundary: str) -> bytes:
    return f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii")


def _open(boundary: str) -> bytes:
    return f"--{boundary}\r\n".encode("ascii")


def _close(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode("ascii")


def _readable(letter: Letter, related: Sequence[int], before: bytes) -> Iterator[bytes | int]:
    """What is read: the text, or a choice of its forms, with the pictures of the richest."""
    yield before
    if not letter.also:
        yield _text("text/plain", letter.text) + (b"\r\n" if before else b"")
        return
    choice = f"{letter.boundary}a"
    yield _begin("alternative", choice)
    yield _open(choice) + _text("text/plain", letter.text) + b"\r\n"
    for number, (kind, text) in enumerate(letter.also, 1):
        if related and number == len(letter.also):
            yield from _with_pictures(letter, related, kind, text, _open(choice))
        else:
            yield _open(choice) + _text(kind, text) + b"\r\n"
    yield _close(choice)


def _with_pictures(
    letter: Letter, related: Sequence[int], kind: str, text: str, before: bytes
) -> Iterator[bytes | int]:
    """RFC 2387."""
    inner = f"{letter.boundary}r"
    head = f'Content-Type: multipart/related; type="{kind.partition(";")[0]}";\r\n boundary="{inner}"\r\n\r\n'
    yield before + head.encode("ascii") + _open(inner) + _text(kind, text) + b"\r\n"
    for index in related:
        yield from _enclosed(letter, index, inner)
    yield _close(inner)


def _enclosed(letter: Letter, index: int, boundary: str) -> Iterator[bytes | int]:
    one = letter.enclosures[index]
    yield _open(boundary) + _enclosure_header(one)
    yield index
    if media_type(one.kind) == MESSAGE:
        yield b"\r\n"  # its last line end is its own; this one is the boundary's (RFC 2046 §5.1.1)


def _text(kind: str, text: str) -> bytes:
    """A part of text, whose lines are as long as they are for whoever reads it."""
    lines = _LINE_END.split(_CONTROLS.sub("", text).removesuffix("\n"))
    plain = all(len(line) <= _PLAIN_LINE and line.isascii() and line[-1:] != " " for line in lines)
    data = "\r\n".join([*lines, ""]).encode("utf-8", "replace")
    charset = "us-ascii" if plain else "utf-8"
    encoding = "7bit" if plain else "quoted-printable"
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + (data if plain else binascii.b2a_qp(data))


def _enclosure_header(one: Enclosure) -> bytes:
    kind = media_type(one.kind)
    name = shown(one.name.replace("/", "_").replace("\\", "_"), LONGEST_NAME)
    disposition = "inline" if one.content_id else "attachment"
    lines = [f"Content-Type: {kind}"]
    lines.append(f"Content-Disposition: {disposition}" + _parameter("filename", name))
    if one.content_id:
        lines.append(f"Content-ID: <{_ascii(one.content_id)}>")
    if kind != MESSAGE:
        lines.append("Content-Transfer-Encoding: base64")
    else:
        lines.append("Content-Transfer-Encoding: 8bit")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _ascii(content_id: str) -> str:
    return "".join(one for one in content_id if "!" <= one <= "~" and one not in "<>")[:_LONGEST_ID]


def _parameter(name: str, value: str) -> str:
    """RFC 2231 §3 and §4, where the value is long or not ASCII."""
    if not value:
        return ""
    if len(value) <= _VALUE and _TOKEN_NAME.fullmatch(value):
        return f';\r\n {name}="{value}"'
    data = value.encode("utf-8", "replace")
    sections = [data[at : at + _VALUE // 3] for at in range(0, len(data), _VALUE // 3)]
    escaped = [_ATTRIBUTE.sub(lambda match: b"%%%02X" % match[0][0], section).decode("ascii") for section in sections]
    if len(escaped) == 1:
        return f";\r\n {name}*=utf-8''{escaped[0]}"
    said = ["utf-8''" + escaped[0], *escaped[1:]]
    return "".join(f";\r\n {name}*{number}*={section}" for number, section in enumerate(said))


# Enclosures

_OCTETS: Final = 57  # of a line of base64, which has 76 characters (RFC 2045 §6.8)


class _Base64:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) - len(data) % _OCTETS
        self._rest = data[whole:]
        return _base64_lines(data[:whole])

    def finish(self) -> bytes:
        return _base64_lines(self._rest)


def _base64_lines(data: bytes) -> bytes:
    lines = [binascii.b2a_base64(data[at : at + _OCTETS], newline=False) for at in range(0, len(data), _OCTETS)]
    return b"\r\n".join([*lines, b""]) if lines else b""


_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")


class _Lines:
    """Makes every end of a line CRLF, the last one too: a message within a message ends with a line."""

    def __init__(self) -> None:
        self._cut = False  # it ended with a CR, whose LF may be to come
        self._ended = True

    def feed(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._cut:
            data = b"\r" + data
        self._cut = data.endswith(b"\r")
        data = data.removesuffix(b"\r")
        if data:
            self._ended = data.endswith((b"\n", b"\r"))
        if data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
            return data
        return _ANY_LINE_END.sub(b"\r\n", data)

    def finish(self) -> bytes:
        rest = b"\r\n" if self._cut or not self._ended else b""
        self._cut, self._ended = False, True
        return rest
