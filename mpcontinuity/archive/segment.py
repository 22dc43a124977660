"""Segments of the index: which terms occur in which of some thousand messages, as octets. All of it is pure.

The messages of a segment are numbered from the oldest. A set of them is an integer whose bit n stands for message n, so
that sets are joined and cut by one operation each. Terms stand in blocks of 2 KiB or so, in their order, with the
messages of each; blocks are compressed, never changed, and read one by one. All terms of a group (document.py) are in
one block.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge as merged
from itertools import groupby
from operator import itemgetter
from typing import Final

# Messages of a segment: they are numbered by 16 bits, and a set of them is 2 KiB.
MOST: Final = 16_000
# Octets of a block before it is compressed, unless one group is larger. Two of them share a page of SQLite, and
# PostgreSQL stores them within their row; larger ones are some hundredths smaller, and take longer to read.
_BLOCK: Final = 2_048
_LEVEL: Final = 6  # of compression
_HEAD = struct.Struct("<II")  # how many terms, octets of them together

Block = tuple[bytes, bytes]  # its first term, and its octets
Occurrences = tuple[bytes, Sequence[int]]  # a term, and the messages that have it, rising


class Damaged(ValueError):
    """Raised for octets that are no block."""


def blocks(occurrences: Iterable[Occurrences], messages: int) -> Iterator[Block]:
    """Yields the blocks of a segment of so many messages. ``occurrences`` come in the order of their terms."""
    terms: list[bytes] = []
    sets: list[bytes] = []
    octets = 0
    for term, numbers in occurrences:
        if octets >= _BLOCK and term[:-1] != terms[-1][:-1]:
            yield terms[0], _block(terms, sets)
            terms, sets, octets = [], [], 0
        packed = _packed(numbers, messages)
        terms.append(term)
        sets.append(packed)
        octets += len(term) + len(packed)
    if terms:
        yield terms[0], _block(terms, sets)


def _packed(numbers: Sequence[int], messages: int) -> bytes:
    """The numbers themselves, which are an even number of octets, or a bit for each message in an odd number."""
    width = (messages + 7) // 8 | 1
    if len(numbers) * 2 < width:
        return struct.pack(f"<{len(numbers)}H", *numbers)
    bits = bytearray(width)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


def _block(terms: Sequence[bytes], sets: Sequence[bytes]) -> bytes:
    names = b"\n".join(terms)
    lengths = struct.pack(f"<{len(sets)}H", *map(len, sets))
    return zlib.compress(b"".join((_HEAD.pack(len(terms), len(names)), names, lengths, *sets)), _LEVEL)


class _Read:
    """A block that is read: its terms, and where the set of each begins."""

    def __init__(self, block: bytes) -> None:
        try:
            self._data = zlib.decompress(block)
            count, names = _HEAD.unpack_from(self._data)
            self.terms = self._data[_HEAD.size : _HEAD.size + names].split(b"\n")
            self._lengths = struct.unpack_from(f"<{count}H", self._data, _HEAD.size + names)
        except (zlib.error, struct.error) as error:
            raise Damaged(str(error)) from None
        self._sets = _HEAD.size + names + 2 * count
        if count != len(self.terms) or self._sets + sum(self._lengths) != len(self._data):
            raise Damaged("its parts do not fit together")

    def packed(self, first: int, stop: int) -> Iterator[bytes]:
        """The sets of the terms from ``first`` to before ``stop``."""
        at = self._sets + sum(self._lengths[:first])
        for length in self._lengths[first:stop]:
            yield self._data[at : at + length]
            at += length


def find(block: bytes, group: bytes) -> dict[bytes, int]:
    """Returns the set of messages for each letter with which the group occurs in the block. Raises Damaged.

    It is what a search does most, and looks at no term one by one.
    """
    try:
        data = zlib.decompress(block)
        count, names = _HEAD.unpack_from(data)
        lengths = array("H", data[_HEAD.size + names : _HEAD.size + names + 2 * count])
    except (zlib.error, struct.error, ValueError) as error:
        raise Damaged(str(error)) from None
    if sys.byteorder == "big":
        lengths.byteswap()
    begin = group + b" "
    at = _HEAD.size
    if not data.startswith(begin, at):
        at = data.find(b"\n" + begin, at, at + names) + 1
        if not at:
            return {}
    place = data.count(b"\n", _HEAD.size, at)
    start = _HEAD.size + names + 2 * count + sum(lengths[:place])
    found = {}
    while data.startswith(begin, at) and place < count:
        letter_at = at + len(begin)
        found[data[letter_at : letter_at + 1]] = _set(data[start : start + lengths[place]])
        at, start, place = letter_at + 2, start + lengths[place], place + 1
    return found


def terms_of(block: bytes) -> list[bytes]:
    """Returns the terms of a block, in their order. Raises Damaged."""
    return _Read(block).terms


def last_of(group: bytes) -> bytes:
    """Returns what no term of the group is behind: its block is the last one whose first term is not behind it."""
    return group + b" \xff"


def _set(packed: bytes) -> int:
    if len(packed) % 2:
        return int.from_bytes(packed, "little")
    if not packed:
        return 0
    numbers = struct.unpack(f"<{len(packed) // 2}H", packed)
    bits = bytearray((numbers[-1] >> 3) + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def numbers(found: int) -> list[int]:
    """Returns the messages of a set, rising."""
    return [number for number, bit in enumerate(reversed(bin(found)[2:])) if bit == "1"]


def occurrences(block: bytes) -> Iterator[Occurrences]:
    """Yields what a block has. Raises Damaged."""
    read = _Read(block)
    for term, packed in zip(read.terms, read.packed(0, len(read.terms)), strict=True):
        if len(packed) % 2:
            yield term, numbers(int.from_bytes(packed, "little"))
        else:
            yield term, struct.unpack(f"<{len(packed) // 2}H", packed)


def of_messages(terms: Iterable[Iterable[bytes]]) -> list[Occurrences]:
    """Returns what blocks are made of, given the terms of each message, the oldest first."""
    found: dict[bytes, list[int]] = {}
    for number, those in enumerate(terms):
        for term in those:
            found.setdefault(term, []).append(number)
    return sorted(found.items(), key=itemgetter(0))


def of_segments(segments: Sequence[tuple[Iterable[bytes], Sequence[int]]]) -> Iterator[Occurrences]:
    """Yields what one segment instead of several has.

    Each is given by its blocks and by the new number of each of its messages; below 0 where the message is left out.
    """
    streams = [_renumbered(these, numbers) for these, numbers in segments]
    for term, group in groupby(merged(*streams, key=itemgetter(0)), key=itemgetter(0)):
        found = {number for _, some in group for number in some}
        if found:
            yield term, sorted(found)


def _renumbered(these: Iterable[bytes], new: Sequence[int]) -> Iterator[Occurrences]:
    for block in these:
        for term, old in occurrences(block):
            yield term, [new[number] for number in old if new[number] >= 0]


class InMemory:
    """A segment that is nowhere but here: what is too new for the index is searched by it."""

    def __init__(self, these: Sequence[Block]) -> None:
        self._first = [first for first, _ in these]
        self._blocks = [block for _, block in these]

    def look(self, group: bytes) -> dict[bytes, int]:
        """Returns as `find` does."""
        place = bisect_left(self._first, last_of(group)) - 1
        return find(self._blocks[place], group) if place >= 0 else {}


Look = Callable[[bytes], dict[bytes, int]]
