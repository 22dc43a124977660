"""The index in the database: which segments there are, what stands in their blocks, and how far it goes.

Whatever is above the watermark may be in no segment; what is at it or below it is, but for rows that commit later than
`LATE` after their id was made, which the hourly look finds (archive/indexing.py). Every function that takes a
transaction is part of it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from mpcontinuity.archive import segment
from mpcontinuity.archive.building import Place
from mpcontinuity.archive.document import Source
from mpcontinuity.archive.segment import Block
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

# A row of `archive` is seen at the latest so long after its id was made: transactions last a minute at the most
# (statement_timeout), and the clocks of several nodes differ.
LATE: Final = 5 * MINUTE

WINDOW: Final = 5_000  # ids of `archive` that are looked at at once
_DROPPED: Final = 500  # blocks that go in one transaction
_LOOKED_AT: Final = 100  # segments
PLACES: Final = 512  # of a row of `archive_place`
_PLACE = struct.Struct("<qq")
_WATERMARK = "archive index"  # in meta

_decode = msgspec.json.Decoder(tuple[str, ...]).decode


class BadPlaces(ValueError):
    """Raised for times and ids of a segment that cannot be read."""


class Segment(msgspec.Struct, frozen=True):
    """A row of `archive_segment`, whose columns are explained in store/schema/indexes.py."""

    id: int
    day: int
    expires: int
    messages: int
    first: int
    last: int
    oldest: int
    newest: int
    blocks: int
    octets: int
    partly: int


_COLUMNS = "id, day, expires, messages, first, last, oldest, newest, blocks, octets, partly"
_ALL = Statement(f"SELECT {_COLUMNS} FROM archive_segment ORDER BY newest DESC, id")
_OVERLAPPING = Statement(f"SELECT {_COLUMNS} FROM archive_segment WHERE last >= :first AND first <= :last")
_THERE = Statement("SELECT id FROM archive_segment WHERE id IN [:ids]")
_PUT = Rows(f"INSERT INTO archive_segment ({_COLUMNS}) VALUES [11]")
_DROP = Statement("DELETE FROM archive_segment WHERE id IN [:ids]")
_ADD_BLOCKS = Rows("INSERT INTO archive_block (segment, first, data) VALUES [3]")
_ADD_PLACES = Rows("INSERT INTO archive_place (segment, piece, data) VALUES [3]")
_DROP_BLOCKS = Statement(
    """DELETE FROM archive_block WHERE segment = :segment
    AND first IN (SELECT first FROM archive_block WHERE segment = :segment LIMIT :limit)"""
)
_DROP_PLACES = Statement("DELETE FROM archive_place WHERE segment = :segment")
_NEXT_OF_BLOCKS = Statement("SELECT MIN(segment) FROM archive_block WHERE segment > :after")
_NEXT_OF_PLACES = Statement("SELECT MIN(segment) FROM archive_place WHERE segment > :after")
_LOOK = Statement(
    """SELECT s.id, (SELECT b.data FROM archive_block b WHERE b.segment = s.id AND b.first <= :last
        ORDER BY b.first DESC LIMIT 1)
    FROM archive_segment s WHERE s.id IN [:segments]"""
)
_BLOCKS = Statement(
    "SELECT first, data FROM archive_block WHERE segment = :segment AND first > :after ORDER BY first LIMIT :limit"
)
_PLACES = Statement("SELECT data FROM archive_place WHERE segment = :segment ORDER BY piece")
_SOME_PLACES = Statement("SELECT piece, data FROM archive_place WHERE segment = :segment AND piece IN [:pieces]")
_ABOVE = Statement("SELECT [id] FROM (SELECT id FROM archive WHERE id > :after ORDER BY id LIMIT :limit) AS page")
_BETWEEN = Statement(
    """SELECT [id] FROM (SELECT id FROM archive WHERE id > :above AND id < :below ORDER BY id DESC LIMIT :limit)
    AS page"""
)
_LEFT = Statement("SELECT [id] FROM archive WHERE id IN [:ids]")
_SOURCES = Statement(
    """SELECT a.id, a.time, a.domain, a.direction, a.sender, a.recipients, a.subject, a.message_id, a.size, a.expires,
        b.id, b.pack, b."offset", b.length, b.prefix, b.crc
    FROM archive a JOIN body b ON b.id = a.body WHERE a.id IN [:ids] ORDER BY a.time, a.id"""
)
_COUNT = Statement("SELECT COUNT(*) FROM archive")
_RECENT = Statement("SELECT id FROM archive ORDER BY id DESC LIMIT 1 OFFSET :than")
_COUNT_BLOCKS = Statement("SELECT COUNT(*) FROM archive_block WHERE segment = :segment")
_INDEXED = Statement("SELECT COALESCE(SUM(messages), 0) FROM archive_segment")


def all_segments(tx: Transaction) -> list[Segment]:
    """Returns all segments, the one with the newest message first."""
    return tx.records(Segment, _ALL)


def overlapping(tx: Transaction, first: int, last: int) -> list[Segment]:
    """Returns the segments that may have messages with ids from ``first`` to ``last``."""
    return tx.records(Segment, _OVERLAPPING, first=first, last=last)


def there(tx: Transaction, ids: Collection[int]) -> set[int]:
    """Returns which of these segments are in the index."""
    return {row[0] for row in tx.all(_THERE, ids=ids)}


def add_blocks(tx: Transaction, of: int, blocks: Sequence[Block]) -> None:
    """Adds blocks of a segment that is not in the index yet."""
    tx.run_rows(_ADD_BLOCKS, [(of, first, data) for first, data in blocks])


def add(tx: Transaction, new: Segment, places: Sequence[Place], instead: Collection[int] = ()) -> None:
    """Adds a segment, whose blocks are there, to the index, and takes those out that it stands ``instead`` of.

    Raises Temporary where blocks are gone again, or one of those others: another process took this one for dead, and
    makes the index.
    """
    if tx.value(_COUNT_BLOCKS, segment=new.id) != new.blocks or len(there(tx, instead)) != len(instead):
        raise Temporary("the archive's index is made by another process")
    pieces = [places[at : at + PLACES] for at in range(0, len(places), PLACES)]
    packed = [b"".join([_PLACE.pack(*place) for place in piece]) for piece in pieces]
    tx.run_rows(_ADD_PLACES, [(new.id, number, data) for number, data in enumerate(packed)])
    tx.run_rows(_PUT, [msgspec.structs.astuple(new)])
    take_out(tx, instead)


def take_out(tx: Transaction, ids: Collection[int]) -> None:
    """Takes segments out of the index. Their blocks and places are left to `drop`."""
    if ids:
        tx.run(_DROP, ids=ids)


def drop(tx: Transaction, of: int) -> bool:
    """Drops blocks of a segment that is not in the index, and its places with the last of them. Returns whether there
    are more."""
    more = tx.run(_DROP_BLOCKS, segment=of, limit=_DROPPED) == _DROPPED
    if not more:
        tx.run(_DROP_PLACES, segment=of)
    return more


def next_loose(tx: Transaction, after: int) -> tuple[list[int], int]:
    """Returns those of the next segments with an id above ``after`` that have blocks or places and are not in the
    index, and the id up to which was looked; 0 where that is the end."""
    found = []
    for _ in range(_LOOKED_AT):
        following = [tx.value(_NEXT_OF_BLOCKS, after=after), tx.value(_NEXT_OF_PLACES, after=after)]
        after = min((one for one in following if one is not None), default=0)
        if not after:
            break
        found.append(after)
    known = there(tx, found)
    return [one for one in found if one not in known], after


def look(tx: Transaction, segments: Collection[int], group: bytes) -> dict[int, bytes]:
    """Returns the block of each segment in which the group stands, if it stands anywhere in it."""
    rows = tx.all(_LOOK, segments=segments, last=segment.last_of(group))
    return {of: bytes(data) for of, data in rows if data is not None}


def blocks(tx: Transaction, of: int, after: bytes, limit: int) -> list[Block]:
    """Returns the next blocks of a segment, those that begin behind the term ``after``."""
    return [(bytes(first), bytes(data)) for first, data in tx.all(_BLOCKS, segment=of, after=after, limit=limit)]


def places(tx: Transaction, of: int) -> list[Place]:
    """Returns times and ids of a segment's messages, by their numbers. Raises BadPlaces."""
    try:
        return [place for (data,) in tx.all(_PLACES, segment=of) for place in _PLACE.iter_unpack(data)]
    except struct.error as error:
        raise BadPlaces(str(error)) from None


def places_of(tx: Transaction, of: int, numbers: Sequence[int]) -> list[Place]:
    """Returns times and ids of some messages of a segment, in the order of ``numbers``. Raises BadPlaces."""
    wanted = {number // PLACES for number in numbers}
    pieces = {piece: bytes(data) for piece, data in tx.all(_SOME_PLACES, segment=of, pieces=wanted)}
    try:
        return [_PLACE.unpack_from(pieces[number // PLACES], number % PLACES * _PLACE.size) for number in numbers]
    except (KeyError, struct.error) as error:
        raise BadPlaces(str(error)) from None


def watermark(tx: Transaction) -> int:
    """Returns the id of `archive` up to which all is in the index; 0 where nothing is known of it.

    Where the clock was set back it is no later than the clock says, since ids begin there again with the next start.
    """
    return min(meta.number(tx, _WATERMARK), first_at(tx.now - LATE) - 1)


def raise_watermark(tx: Transaction, looked_from: int, to: int) -> None:
    """Notes that all is indexed that is above ``looked_from`` and not above ``to``: the index goes further, if it went
    as far as the former.

    Where the clock was set back it goes as far as ``to`` again: ids that are made from now on are above that.
    """
    known = meta.number(tx, _WATERMARK)
    if looked_from <= known < to or known > first_at(tx.now):
        meta.put(tx, _WATERMARK, str(to))


def begin_anew(tx: Transaction) -> None:
    """Notes that nothing is known of how far the index goes."""
    meta.remove(tx, _WATERMARK)


def ids_above(tx: Transaction, after: int) -> list[int]:
    """Returns the next WINDOW ids of `archive` above ``after``, rising."""
    return [row[0] for row in tx.all(_ABOVE, after=after, limit=WINDOW)]


def ids_between(tx: Transaction, above: int, below: int) -> list[int]:
    """Returns the last WINDOW ids of `archive` between the two, which are left out themselves, falling."""
    return [row[0] for row in tx.all(_BETWEEN, above=above, below=below, limit=WINDOW)]


def left(tx: Transaction, ids: Collection[int]) -> set[int]:
    """Returns which of these ids `archive` still has."""
    return {row[0] for row in tx.all(_LEFT, ids=ids)}


def behind(tx: Transaction) -> int:
    """Returns how many messages more are archived than are in the index; below 0 where it has some that are gone."""
    return int(tx.value(_COUNT)) - int(tx.value(_INDEXED))


def is_busy(tx: Transaction, since: int, than: int) -> bool:
    """Returns whether more than so many messages were archived since that time, in µs."""
    return int(tx.value(_RECENT, than=than) or 0) >= first_at(since)


class Unindexed(msgspec.Struct, frozen=True):
    """A message that is to be indexed: ``expires`` is that of its row in `archive`, in µs."""

    source: Source
    body: Body
    expires: int


def unindexed(tx: Transaction, ids: Collection[int]) -> list[Unindexed]:
    """Returns what the index needs to know of messages, by their ids in `archive`: those that are there, the oldest
    first."""
    found = []
    for row in tx.all(_SOURCES, ids=ids):
        id_, time, domain, direction, sender, recipients, subject, message_id, size, expires, *columns = row
        body = Body(*columns)
        source = Source(
            id_, time, domain, direction, sender, _decode(recipients), subject, message_id, size, body.length
        )
        found.append(Unindexed(source, body, expires))
    return found
