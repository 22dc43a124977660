"""Reading a pack that is damaged: what is sound behind the damage, and bits that can be turned back.

Packs are never written in place: what is mended here is appended anew by whoever asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import crc32c

from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.layout import FILE_LENGTH, HEADER_LENGTH, MAGIC, SOLO_BODY, Entry, Kind
from mpcontinuity.store.disk import File

_POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected
# Above this the odds that other damage looks like a single flipped bit (bits / 2^32) are no longer to be neglected.
MENDABLE = 4 << 20
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Gap:
    """Octets of a pack that are no entry: damage, or the torn end that a crash left."""

    start: int
    stop: int
    torn: bool  # it reaches to the end of the file


def entries(file: File, kind: Kind) -> Iterator[Entry | Gap]:
    """Gives every entry that can be read, also behind damage, and the gaps between them.

    An entry with a single flipped bit in header or head is mended. Behind worse damage only what leads on, entry by
    entry, to the end of the file is believed: a message may contain what looks like an entry, but nobody outside can
    make it end where another begins.
    """
    start = SOLO_BODY - HEADER_LENGTH if kind is Kind.SOLO else FILE_LENGTH
    size = file.size()
    while start < size:
        entry = layout.read_entry(file, start) or _mended(file, start)
        if entry is None:
            found = _resume(file, start + 1, size)
            yield Gap(start, size if found is None else found, found is None)
            if found is None:
                return
            start = found
            continue
        yield entry
        start = entry.end


def checksum(file: File, offset: int, length: int) -> int | None:
    """Returns the CRC-32C of that piece; None where it is cut short."""
    crc = 0
    for start in range(offset, offset + length, _PIECE):
        data = file.read(min(_PIECE, offset + length - start), start)
        if len(data) < min(_PIECE, offset + length - start):
            return None
        crc = crc32c.crc32c(data, crc)
    return crc


def mend(data: bytes, crc: int) -> tuple[bytes, int] | None:
    """Returns ``data`` with the one bit turned back that makes it match ``crc``, and the octet that it was in.

    It returns None where there is none. The effect of a flipped bit on a CRC depends on its distance from the end
    alone, and differs for each up to 2^31.
    """
    if len(data) > MENDABLE:
        return None
    wanted = crc32c.crc32c(data) ^ crc
    state = 1
    for distance in range(8 * len(data)):
        state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
        if state == wanted:
            place = len(data) - 1 - distance // 8
            mended = bytearray(data)
            mended[place] ^= 1 << 7 - distance % 8
            return bytes(mended), place
    return None


def _mended(file: File, start: int) -> Entry | None:
    header = file.read(HEADER_LENGTH, start)
    if len(header) < HEADER_LENGTH:
        return None
    lengths = layout.lengths(header)
    if lengths is not None:  # the damage is in the head, whose place is known
        head_length, length = lengths
        offset = start + HEADER_LENGTH
        raw = file.read(head_length, offset + length) if offset + length + head_length <= file.size() else b""
        if head_length and len(raw) == head_length:
            checked = layout.checked(header)
            found = mend(checked + raw, int.from_bytes(header[-4:], "little"))
            if found is not None and found[1] >= len(checked):
                return layout.entry_of(header, found[0][len(checked) :], offset)
    for bit in range(8 * HEADER_LENGTH):
        turned = bytearray(header)
        turned[bit // 8] ^= 1 << bit % 8
        entry = layout.read_entry(_Patched(file, start, bytes(turned)), start)
        if entry is not None:
            return layout.entry_of(bytes(turned), entry.raw_head, entry.offset)
    return None


def _resume(file: File, start: int, size: int) -> int | None:
    """Where entries begin again that go on to the end of the file."""
    position = start
    while position < size:
        data = file.read(_PIECE + len(MAGIC) - 1, position)
        found = data.find(MAGIC)
        while found >= 0:
            if _leads_to_end(file, position + found, size):
                return position + found
            found = data.find(MAGIC, found + 1)
        position += _PIECE
    return None


def _leads_to_end(file: File, start: int, size: int) -> bool:
    while start < size:
        entry = layout.read_entry(file, start)
        if entry is None:
            return False
        start = entry.end
    return True


class _Patched:
    """The file with other octets in one place."""

    def __init__(self, file: File, offset: int, data: bytes) -> None:
        self._file = file
        self._offset = offset
        self._data = data

    def read(self, length: int, offset: int) -> bytes:
        if offset == self._offset and length == len(self._data):
            return self._data
        return self._file.read(length, offset)

    def size(self) -> int:
        return self._file.size()
