"""The bytes of a pack: a file header, then entries of header, body and head.

The head stands behind the body, so that a large body is written where it stays before its head is known. Numbers are
little-endian. The CRC-32C of an entry's header covers its head; that of the body is in the header, and in the index.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import crc32c
import msgspec

from mpcontinuity.store.bodies.head import Decided, Head
from mpcontinuity.store.disk import File

VERSION = 1
MAGIC = b"\xe2MPE"

# magic, version, kind, length of the head, of the body, CRC of the body, CRC of all before it and of the head
_HEADER = struct.Struct("<4sBBxxIQII")
_CHECKED = _HEADER.size - 4
HEADER_LENGTH = _HEADER.size

# magic and version, kind of pack, id of the pack, day of expiry, CRC of all before it
_FILE = struct.Struct("<7sBQII")
_FILE_MAGIC = b"MPPACK" + bytes([VERSION])
FILE_LENGTH = _FILE.size

# Where the only body of a solo pack begins: at a page, so that it can be mapped by itself.
SOLO_BODY = 4096

_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_decided = msgspec.msgpack.Decoder(Decided).decode


# Of a pack whose header is damaged: it is never dropped for its day.
NO_DAY = 2**31 - 1


class Kind(enum.IntEnum):
    """The kind of a pack: what it holds decides how long it lives."""

    MAIL = 1  # what passes through, until its day in the archive ends
    DRAFT = 2  # what clients APPEND
    KEPT = 3  # what was needed longer than the day of its first pack
    SOLO = 4  # one large message


class Record(enum.IntEnum):
    """The kind of an entry."""

    BODY = 1
    DECIDED = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its header tells; ``offset`` and ``length`` are those of the body."""

    record: int
    offset: int
    length: int
    crc: int
    raw_head: bytes
    mended: bool = False  # a bit of header or head was turned back to read it (salvage.py)

    @property
    def end(self) -> int:
        """Is the place behind it, where the next one begins."""
        return self.offset + self.length + len(self.raw_head)

    def head(self) -> Head:
        """Returns what the message says of itself."""
        return _decode_head(self.raw_head)

    def decided(self) -> Decided:
        """Returns the outcome, of an entry that is an outcome record."""
        return _decode_decided(self.raw_head)


def file_header(kind: Kind, pack: int, day: int) -> bytes:
    """Returns the header of a pack."""
    text = _FILE.pack(_FILE_MAGIC, kind, pack, day, 0)[:-4]
    return text + crc32c.crc32c(text).to_bytes(4, "little")


class FileHeader(NamedTuple):
    """What a pack's file says of itself; ``day`` is when it expires, in days since 1970."""

    kind: Kind
    pack: int
    day: int


def read_file_header(file: File) -> FileHeader | None:
    """Returns the header of a pack; None where the file is none (a crash before its first sync)."""
    text = file.read(FILE_LENGTH, 0)
    if len(text) < FILE_LENGTH or crc32c.crc32c(text[:-4]) != int.from_bytes(text[-4:], "little"):
        return None
    magic, kind, pack, day, _ = _FILE.unpack(text)
    if magic != _FILE_MAGIC or kind not in Kind.__members__.values():
        return None
    return FileHeader(Kind(kind), pack, day)


def encode_head(head: Head | Decided) -> bytes:
    """Returns the octets of a head."""
    return _encode(head)


def entry_header(record: Record, raw_head: bytes, length: int, crc: int) -> bytes:
    """Returns the header of an entry."""
    text = _HEADER.pack(MAGIC, VERSION, record, len(raw_head), length, crc, 0)[:_CHECKED]
    return text + crc32c.crc32c(raw_head, crc32c.crc32c(text)).to_bytes(4, "little")


class Readable(Protocol):
    """The part of File that reading entries needs."""

    def read(self, length: int, offset: int) -> bytes:
        """Returns the octets from ``offset`` on; fewer at the end."""
        ...

    def size(self) -> int:
        """Returns the number of octets."""
        ...


def lengths(header: bytes) -> tuple[int, int] | None:
    """Returns those of head and body, as an entry's header says, unchecked; None where it is no header."""
    magic, version, _, head_length, length, _, _ = _HEADER.unpack(header)
    return (head_length, length) if magic == MAGIC and version == VERSION else None


def checked(header: bytes) -> bytes:
    """Returns what of a header its checksum covers, before the head."""
    return header[:_CHECKED]


def entry_of(header: bytes, raw_head: bytes, offset: int) -> Entry:
    """Returns the entry of a header that was mended."""
    _, _, record, _, length, crc, _ = _HEADER.unpack(header)
    return Entry(record, offset, length, crc, raw_head, mended=True)


def read_entry(file: Readable, start: int) -> Entry | None:
    """Returns the entry that begins there; None where none does, or a torn one."""
    header = file.read(HEADER_LENGTH, start)
    if len(header) < HEADER_LENGTH:
        return None
    magic, version, record, head_length, length, crc, check = _HEADER.unpack(header)
    if magic != MAGIC or version != VERSION:
        return None
    offset = start + HEADER_LENGTH
    raw_head = file.read(head_length, offset + length) if offset + length + head_length <= file.size() else b""
    if len(raw_head) < head_length or crc32c.crc32c(raw_head, crc32c.crc32c(header[:_CHECKED])) != check:
        return None
    return Entry(record, offset, length, crc, raw_head)


def entries(file: File, kind: Kind) -> Iterator[Entry]:
    """Gives every entry up to the first that is torn: what follows was never synced, so nothing refers to it."""
    start = SOLO_BODY - HEADER_LENGTH if kind is Kind.SOLO else FILE_LENGTH
    while entry := read_entry(file, start):
        yield entry
        start = entry.end


def read_head_first(read: Callable[[int, int], bytes]) -> Entry | None:
    """Returns the entry at 0, whose head stands before its body (pieces.py). ``read`` is that of a file."""
    header = read(HEADER_LENGTH, 0)
    if len(header) < HEADER_LENGTH:
        return None
    magic, version, record, head_length, length, crc, check = _HEADER.unpack(header)
    if magic != MAGIC or version != VERSION:
        return None
    raw_head = read(head_length, HEADER_LENGTH)
    if crc32c.crc32c(raw_head, crc32c.crc32c(header[:_CHECKED])) != check:
        return None
    return Entry(record, HEADER_LENGTH + head_length, length, crc, raw_head)
