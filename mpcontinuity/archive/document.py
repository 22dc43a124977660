"""What the index has of one message: terms, made of its row in `archive` and of its content.

A term is a group, a blank, and one letter that says where in the message it was. A group is a word, an address, a
Message-ID in one angle bracket, or a name with ``=`` in front that no word begins with. All terms of a group stand
beside each other in the index, so that one look finds a word wherever it was. This is pure, and done by a child process
(archive/building.py), because messages are hostile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.archive.words import words
from mpcontinuity.message import addresses, contenttype, text
from mpcontinuity.message.markup import readable
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.model.address import BadAddress, parse

# Letters of terms: where in a message a word or an address was.
SENDER, ADDRESSEE, RECIPIENT, SUBJECT, BODY, NAME = b"f", b"t", b"r", b"s", b"b", b"a"
OWNER = b"u"  # an address whose user the message belongs to
ID = b"i"  # Message-ID

# Groups that are no words.
DIRECTION, DOMAIN, SIZE, HAS = b"=direction", b"=domain:%d", b"=size", b"=has"
DOMAIN_LETTER = b"="
ATTACHMENT, PARTLY = b"a", b"p"  # letters of HAS

# Bounds of what one message puts into the index: a book has fewer words, and nobody looks for what is behind.
MOST_WORDS: Final = 10_000  # different ones
MOST_TEXT: Final = 1 << 20  # characters that are read
MOST_ADDRESSES: Final = 2_000  # of one field of its header

_FIELDS: Final = (
    (b"subject", SUBJECT),
    (b"from", SENDER),
    (b"sender", SENDER),
    (b"to", ADDRESSEE),
    (b"cc", ADDRESSEE),
)
_FIELDS_OF_ENCLOSED: Final = (b"subject", b"from", b"to", b"cc")
_PIECE: Final = 1 << 15  # characters
_NEAR: Final = 256
_NO_BLANKS: Final = bytes.maketrans(b" \n", b"\x1f\x1f")  # below a blank, so that groups are beside each other
_NAMES: Final = (b"filename", b"filename*", b"name", b"name*")


class Source(msgspec.Struct, frozen=True, array_like=True):
    """One message that is to be indexed: its row in `archive`, and the octets of its content that follow; 0 where it
    cannot be read."""

    id: int
    time: int
    domain: int
    direction: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    size: int
    length: int


def term(group: bytes, letter: bytes) -> bytes:
    """Returns a term."""
    return group + b" " + letter


def encoded(group: str) -> bytes:
    """Returns a word, an address or a Message-ID as a group, in which no blank and no line end stands."""
    return group.encode("utf-8", "replace").translate(_NO_BLANKS)


def id_group(bare: str) -> bytes:
    """Returns the group of a Message-ID, which is given without its brackets."""
    return b"<" + encoded(bare)


def size_class(size: int) -> int:
    """Returns the class of a size, from 24 to 255: eight classes to an octave, which rise with the size."""
    size = min(max(size, 8), (1 << 32) - 1)
    octave = size.bit_length() - 1
    return octave << 3 | size >> octave - 3 & 7


def owner_keys(source: Source) -> set[str]:
    """Returns the addresses of the envelope whose users find the message, as they are compared, with and without tag.

    They are its recipients, or its sender if it is outbound: what came in the name of a user may be a stranger's doing,
    and to others.
    """
    owners = (source.sender,) if source.direction == OUTBOUND else source.recipients
    return {key for owner in owners for key in _keys(owner)}


def terms(source: Source, content: bytes | None) -> set[bytes]:
    """Returns the terms of a message. Without a content they are those of its row alone, and it is marked as PARTLY
    read. Never raises for what a message may be."""
    found = {
        term(DIRECTION, source.direction[:1].encode()),
        term(DOMAIN % source.domain, DOMAIN_LETTER),
        term(SIZE, bytes([size_class(source.size)])),
    }
    if source.message_id:
        found.add(term(id_group(source.message_id.strip("<>")), ID))
    found.update(term(encoded(key), OWNER) for key in owner_keys(source))
    found.update(term(encoded(key), SENDER) for key in _keys(source.sender)[:1])
    found.update(term(encoded(key), RECIPIENT) for recipient in source.recipients for key in _keys(recipient)[:1])
    taken = _Words()
    taken.add(SUBJECT, source.subject)
    taken.add(SENDER, source.sender)
    if content is None:
        taken.cut = True
    else:
        _read(content, taken, found)
    for recipient in source.recipients:
        taken.add(RECIPIENT, recipient)
    found |= taken.terms
    if taken.cut:
        found.add(term(HAS, PARTLY))
    return found


def _keys(given: str) -> tuple[str, ...]:
    """An address as it is compared, and without its tag."""
    try:
        address = parse(given)
    except BadAddress:
        return (given.lower(),) if given else ()
    key, untagged = address.key, address.untagged_key
    return (key,) if key == untagged else (key, untagged)


class _Words:
    """The terms of words, up to their bounds."""

    def __init__(self) -> None:
        self.terms: set[bytes] = set()
        self.cut = False  # something was left out
        self._left = MOST_TEXT

    @property
    def full(self) -> bool:
        return self._left <= 0 or len(self.terms) >= MOST_WORDS

    def add(self, letter: bytes, text: str) -> None:
        if self.full or len(text) > self._left:
            self.cut = True
            text = text[: max(self._left, 0)]
        self._left -= len(text)
        for piece in _pieces(text):
            for word in words(piece):
                if len(self.terms) >= MOST_WORDS:
                    self.cut = True
                    return
                self.terms.add(term(word.encode(), letter))

    def add_pieces(self, letter: bytes, pieces: Iterable[str], *, html: bool = False) -> None:
        """Of a text that comes in pieces, at whose ends no word ends."""
        joined: list[str] = []
        length = 0
        for piece in pieces:
            joined.append(piece)
            length += len(piece)
            if length > self._left:
                break
        whole = "".join(joined)
        self.add(letter, readable(whole) if html else whole)


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces, so that the words of a hostile one need not be in memory at once. They end where a word does.

    Where that is nowhere near, as in scripts without blanks, one character is in both pieces, and so is each pair.
    """
    at = 0
    while len(text) - at > _PIECE:
        stop = at + _PIECE
        end = next((place for place in range(stop, stop - _NEAR, -1) if not text[place].isalnum()), 0)
        yield text[at : end or stop]
        at = end or stop - 1
    yield text[at:]


def _read(content: bytes, taken: _Words, found: set[bytes]) -> None:
    root = scan(content)
    for name, letter in _FIELDS:
        if value := root.fields.get(name):
            taken.add(letter, text.of_field(value))
            if letter is not SUBJECT:
                _addresses(value, letter, found)
    parts = list(_parts(root))
    for part in parts:
        _name(part, taken, found)
    for part in parts:
        if taken.full:
            taken.cut = True
            return
        if part.message is not None:
            for name in _FIELDS_OF_ENCLOSED:
                taken.add(BODY, text.of_field(part.message.fields.get(name, b"")))
        elif text.is_text(part):
            taken.add_pieces(BODY, text.of_part(content, part), html=part.type.kind == (b"text", b"html"))
        elif not part.parts:  # a message that is encoded, perhaps
            for pieces in text.of_message(content, part, headers=False):
                taken.add_pieces(BODY, pieces)


def _addresses(value: bytes, letter: bytes, found: set[bytes]) -> None:
    for _, _, local, host in addresses.parse(value)[:MOST_ADDRESSES]:
        if local and host:
            found.update(term(encoded(key), letter) for key in _keys(f"{_decoded(local)}@{_decoded(host)}")[:1])


def _decoded(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _parts(part: Part) -> Iterator[Part]:
    """All parts, those of enclosed messages too, without recursion: they may be as deep as the scanner goes."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.parts))
        if part.message is not None:
            waiting.append(part.message)


def _name(part: Part, taken: _Words, found: set[bytes]) -> None:
    """The name of an attachment, and that there is one."""
    disposition = contenttype.disposition(part.fields.get(b"content-disposition", b""))
    parameters = [*(disposition[1] if disposition else ()), *part.type.parameters]
    named = [contenttype.text(each) for each in parameters if each[0] in _NAMES]
    for name in named:
        taken.add(NAME, name)
    inline = disposition is not None and disposition[0].lower() == b"inline"
    if (disposition is not None and disposition[0].lower() == b"attachment") or (named and not inline):
        found.add(term(HAS, ATTACHMENT))
