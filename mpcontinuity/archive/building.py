"""What a child process does for the index: it makes a segment of messages, or one segment of several (children/).

Messages are hostile, and much of what they cost is Python; so neither is done beside the reactor. If the child dies
(of its limits of memory and time), whoever asked tries each message alone, and indexes one that still kills it by its
row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec

from mpcontinuity.archive import document, segment
from mpcontinuity.archive.document import Source
from mpcontinuity.archive.segment import Block

KIND: Final = __name__
_PIECE: Final = 64 * 1024  # octets of an answer, or one block more: a tenth of a second's work

Place = tuple[int, int]  # a message of a segment: its time in µs, and its id in `archive`


class Messages(msgspec.Struct, frozen=True, tag=True):
    """The order to make a segment of messages, the oldest first; their contents are fed one after the other."""

    sources: tuple[Source, ...]


class Segments(msgspec.Struct, frozen=True, tag=True):
    """The order to make one segment of several.

    ``places`` has the messages of each, and ``gone`` the ids of those that are to be left out. The blocks of each are
    fed one after the other, each as its length in 4 octets and itself; ``blocks`` is how many each has.
    """

    places: tuple[tuple[Place, ...], ...]
    blocks: tuple[int, ...]
    gone: tuple[int, ...] = ()


class Piece(msgspec.Struct, frozen=True):
    """A part of what was made: some blocks, and whether ``more`` is to be asked for.

    The first one has the ``places`` of all messages in their order, and how many of them were read only ``partly``.
    """

    blocks: tuple[Block, ...]
    more: bool
    places: tuple[Place, ...] = ()
    partly: int = 0


_order = msgspec.msgpack.Decoder(Messages | Segments)
_piece = msgspec.msgpack.Decoder(Piece)
encode = msgspec.msgpack.Encoder().encode


def decode(answer: bytes) -> Piece:
    """Decodes an answer of the child. Raises msgspec.MsgspecError for what is none."""
    return _piece.decode(answer)


class Work:
    """The work of the child: it is given an order, is fed, and is asked until there is no more."""

    def __init__(self, argument: bytes) -> None:
        order = _order.decode(argument)
        self._making: _Making | _Merging = _Making(order.sources) if isinstance(order, Messages) else _Merging(order)
        self._blocks: Iterator[Block] | None = None

    def feed(self, piece: bytes) -> bool:
        """Takes what follows of the contents or blocks, and wants all of it."""
        self._making.feed(piece)
        return True

    def ask(self, question: bytes) -> bytes:
        """Returns the next Piece, whatever the question is."""
        first = self._blocks is None
        if self._blocks is None:
            self._blocks = self._making.blocks()
        some: list[Block] = []
        octets = 0
        for block in self._blocks:
            some.append(block)
            octets += len(block[1])
            if octets >= _PIECE:
                break
        more = octets >= _PIECE
        if not first:
            return encode(Piece(tuple(some), more))
        return encode(Piece(tuple(some), more, self._making.places, self._making.partly))


class _Making:
    """A segment of messages."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.partly = 0
        self.places = tuple((source.time, source.id) for source in sources)
        self._sources = sources
        self._terms: list[set[bytes]] = []
        self._content = bytearray()

    def feed(self, piece: bytes) -> None:
        self._content += piece
        self._read()

    def blocks(self) -> Iterator[Block]:
        self._read()
        if len(self._terms) < len(self._sources):
            raise ValueError(f"{len(self._terms)} contents of {len(self._sources)} messages")
        self.partly = sum(document.term(document.HAS, document.PARTLY) in terms for terms in self._terms)
        return segment.blocks(segment.of_messages(self._terms), len(self._terms))

    def _read(self) -> None:
        """The messages whose content is here."""
        at = 0
        while len(self._terms) < len(self._sources):
            source = self._sources[len(self._terms)]
            if len(self._content) - at < source.length:
                break
            content = bytes(memoryview(self._content)[at : at + source.length]) if source.length else None
            at += source.length
            self._terms.append(document.terms(source, content))
        del self._content[:at]


class _Merging:
    """One segment instead of several."""

    def __init__(self, order: Segments) -> None:
        gone = set(order.gone)
        left = {place for place in chain.from_iterable(order.places) if place[1] not in gone}
        self.places = tuple(sorted(left))
        self.partly = 0
        number = {place: new for new, place in enumerate(self.places)}
        self._new = [[number.get(place, -1) for place in places] for places in order.places]
        self._counts = order.blocks
        self._blocks: list[bytes] = []
        self._held = bytearray()

    def feed(self, piece: bytes) -> None:
        self._held += piece
        at = 0
        while len(self._held) - at >= 4:
            stop = at + 4 + int.from_bytes(self._held[at : at + 4], "big")
            if stop > len(self._held):
                break
            self._blocks.append(bytes(self._held[at + 4 : stop]))
            at = stop
        del self._held[:at]

    def blocks(self) -> Iterator[Block]:
        if len(self._blocks) != sum(self._counts):
            raise ValueError(f"{len(self._blocks)} of {sum(self._counts)} blocks")
        given = iter(self._blocks)
        segments = [
            ([next(given) for _ in range(count)], new) for count, new in zip(self._counts, self._new, strict=True)
        ]
        return segment.blocks(segment.of_segments(segments), len(self.places))
