"""Brings the index up to what is archived: finds what is in no segment, makes segments of it, joins small ones.

Nothing here is part of a message's way; the transactions that archive a message know nothing of the index. Reading and
indexing is done by a child process (archive/building.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Final

import msgspec
from twisted.logger import Logger

from mpcontinuity.archive import building, index
from mpcontinuity.archive.building import Messages, Place, Segments
from mpcontinuity.archive.document import Source
from mpcontinuity.archive.index import Segment, Unindexed
from mpcontinuity.archive.segment import MOST, Block
from mpcontinuity.children.pool import PIECE, Died, Job, Jobs
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.identifier import first_at, show
from mpcontinuity.store.bodies.content import WHOLE
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

BATCH: Final = 256  # messages of a new segment
_BATCH_OCTETS: Final = 4 << 20  # of their contents and recipients; a larger message has a segment of its own
# Octets of one message that are read for the index; the child has 256 MiB and 10 s for a batch.
_MOST_OCTETS: Final = 32 << 20
_STEP: Final = 128  # blocks of one transaction, of 1.5 KiB or so each
_LOOKED_FOR: Final = 1_000  # ids that are looked for in `archive` at once
_JOINED: Final = 8  # segments of about one size that become one
_JOINED_OCTETS: Final = 6 << 20  # of their blocks, so that the child can do it in a third of its time
_REMEMBERED: Final = 64  # segments whose ids are kept in memory: those of the last minutes are asked for again

Rest = Callable[[], Awaitable[object]]
Said = Callable[[int], object]

_log = Logger()


async def _at_once() -> None:
    """Where nobody else waits for the machine."""


class Indexing:
    """Makes the index of one store. One process at a time may do so (archive/indexer.py).

    ``rest`` is awaited between two batches, so that mail goes first.
    """

    def __init__(self, store: Store, jobs: Jobs, rest: Rest = _at_once) -> None:
        self._store = store
        self._jobs = jobs
        self._rest = rest
        self._known = KnownIds(store)
        self._apart: set[int] = set()

    async def bring_up(self, after: int, said: Said | None = None) -> int:
        """Indexes what is in no segment among the messages with an id above ``after``, and returns how many they were.

        It raises the watermark, where that is not below ``after``.

        ``said`` hears how many there are after each batch. Raises Temporary.
        """
        count = 0
        while True:
            safe = first_at(self._store.clock.now() - index.LATE) - 1  # before the rows are read
            window = await self._store.read(partial(index.ids_above, after=after))
            whole = len(window) < index.WINDOW
            if window:
                for missing in _batches(await self._known.missing(window)):
                    count += await self._add(missing)
                    if said is not None:
                        said(count)
                    await self._rest()
            to = safe if whole else min(window[-1], safe)
            await self._store.run(partial(index.raise_watermark, looked_from=after, to=to), bulk=True)
            if whole:
                return count
            after = window[-1]

    async def join(self) -> bool:
        """Makes one segment of several that are small, if there are such, and returns whether there were.

        Those over which the child dies stay as they are, as long as this process runs.
        """
        today = self._store.clock.now() // DAY
        segments = [one for one in await self._store.read(index.all_segments) if one.id not in self._apart]
        chosen = to_join(segments, today)
        if not chosen:
            return False
        try:
            await self._join(chosen, ())
        except Died as error:
            _log.warn("{count} parts of the archive's index stay apart: {error}", count=len(chosen), error=error)
            self._apart.update(one.id for one in chosen)
        await self._rest()
        return True

    async def drop_gone(self) -> None:
        """Drops the segments of which no message is archived any more.

        Where messages are gone before their day, because somebody purged them, segments are made anew that have lost a
        quarter.
        """
        segments = await self._store.read(index.all_segments)
        today = self._store.clock.now() // DAY
        purged = await self._store.read(index.behind) < 0
        for one in segments:
            if not purged and one.expires > today:
                continue
            expired = one.expires <= today
            ids = [id_ for _, id_ in await self._store.read(partial(index.places, of=one.id))]
            gone: list[int] = []
            for at in range(0, len(ids), _LOOKED_FOR):
                some = ids[at : at + _LOOKED_FOR]
                left = await self._store.read(partial(index.left, ids=some))
                gone += [id_ for id_ in some if id_ not in left]
                if left and expired:  # the rest goes within the day, unless it is held
                    break
            if len(gone) == len(ids):
                await self._store.run(partial(index.take_out, ids=[one.id]), bulk=True)
                await self._drop([one.id])
            elif len(gone) * 4 >= len(ids) and not expired:
                await self._join([one], gone)
            await self._rest()
        after = -1
        while after:
            loose, after = await self._store.read(partial(index.next_loose, after=max(after, 0)))
            await self._drop(loose)

    async def _drop(self, segments: Iterable[int]) -> None:
        for one in segments:
            while await self._store.run(partial(index.drop, of=one), bulk=True):
                pass

    async def _add(self, ids: Sequence[int]) -> int:
        found = await self._store.read(partial(index.unindexed, ids=ids))
        for (day, expires), some in groupby(sorted(found, key=_shelf), key=_shelf):
            for messages in portions(some):
                await self._add_segment(day, expires, messages)
        return len(found)

    async def _add_segment(self, day: int, expires: int, messages: Sequence[Unindexed]) -> None:
        for made in await segments_of(self._store, self._jobs, messages):
            await self._put(day, expires, made, ())

    async def _join(self, chosen: Sequence[Segment], gone: Sequence[int]) -> None:
        job = await self._jobs.begin(building.KIND, building.encode(await self._order(chosen, gone)))
        try:
            for one in chosen:
                after = b""
                while some := await self._store.read(partial(index.blocks, of=one.id, after=after, limit=_STEP)):
                    after = some[-1][0]
                    await _feed(job, b"".join(len(data).to_bytes(4, "big") + data for _, data in some))
            made = await _made(job)
        finally:
            job.close()
        partly = sum(one.partly for one in chosen)
        made = msgspec.structs.replace(made, partly=partly)
        ids = [one.id for one in chosen]
        await self._put(chosen[0].day, chosen[0].expires, made, ids)
        await self._drop(ids)

    async def _order(self, chosen: Sequence[Segment], gone: Sequence[int]) -> Segments:
        places = [await self._store.read(partial(index.places, of=one.id)) for one in chosen]
        return Segments(tuple(map(tuple, places)), tuple(one.blocks for one in chosen), tuple(gone))

    async def _put(self, day: int, expires: int, made: Made, instead: Sequence[int]) -> None:
        id_ = self._store.identifiers.next()
        for at in range(0, len(made.blocks), _STEP):
            await self._store.run(partial(index.add_blocks, of=id_, blocks=made.blocks[at : at + _STEP]), bulk=True)
        ids = [id_ for _, id_ in made.places]
        new = Segment(
            id=id_,
            day=day,
            expires=expires,
            messages=len(ids),
            first=min(ids),
            last=max(ids),
            oldest=made.places[0][0],
            newest=made.places[-1][0],
            blocks=len(made.blocks),
            octets=sum(len(data) for _, data in made.blocks),
            partly=made.partly,
        )
        await self._store.run(partial(index.add, new=new, places=made.places, instead=instead), bulk=True)


class Made(msgspec.Struct, frozen=True):
    """A segment that is not in the index: its blocks, its messages, and how many of those were read only ``partly``."""

    blocks: list[Block]
    places: tuple[Place, ...]
    partly: int


class KnownIds:
    """Tells which messages are in a segment, and remembers the ids of those segments that were asked about last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: OrderedDict[int, frozenset[int]] = OrderedDict()

    async def missing(self, ids: Sequence[int]) -> list[int]:
        """Returns those of the ids, which rise, that no segment has."""
        known = frozenset(self._ids)
        found = await self._store.read(partial(_ids_of, first=ids[0], last=ids[-1], known=known))
        left = set(ids)
        for one, its in found.items():
            if its is not None:
                self._ids[one] = its
            self._ids.move_to_end(one)
            left -= self._ids[one]
        while len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return sorted(left)


def _ids_of(tx: Transaction, first: int, last: int, known: frozenset[int]) -> dict[int, frozenset[int] | None]:
    """The ids in each segment that may have some from ``first`` to ``last``; None for those that are known already."""
    return {
        one.id: None if one.id in known else frozenset(id_ for _, id_ in index.places(tx, one.id))
        for one in index.overlapping(tx, first, last)
    }


def to_join(segments: Iterable[Segment], today: int) -> list[Segment]:
    """Returns segments that should become one, all of the same days: so many of about one size, or, when their day is
    over, all. None come back where all is well."""
    for _, group in groupby(
        sorted(segments, key=lambda one: (one.day, one.expires)), lambda one: (one.day, one.expires)
    ):
        small = sorted((one for one in group if one.messages < MOST // 2), key=lambda one: one.messages)
        for _, level in groupby(small, key=lambda one: one.messages.bit_length() // 3):
            if len(chosen := _fitting(level)) >= _JOINED:
                return chosen[:_JOINED]
        if small and small[0].day < today - 1 and len(chosen := _fitting(small)) > 1:
            return chosen
    return []


def _days(one: Segment) -> tuple[int, int]:
    return one.day, one.expires


def _fitting(segments: Iterable[Segment]) -> list[Segment]:
    """As many of them as one segment may have messages, and as the child may join."""
    chosen: list[Segment] = []
    messages = octets = 0
    for one in segments:
        messages, octets = messages + one.messages, octets + one.octets
        if messages > MOST or octets > _JOINED_OCTETS:
            break
        chosen.append(one)
    return chosen


async def segments_of(store: Store, jobs: Jobs, messages: Sequence[Unindexed]) -> list[Made]:
    """Makes segments of messages, the oldest first: one, unless a message kills the child that reads it.

    Then they are halved until it is alone, and its row alone is indexed. A content that is damaged is left out, too.
    """
    try:
        return [await _segment_of(store, jobs, messages)]
    except (Died, Corrupt) as error:
        if len(messages) == 1:
            source = messages[0].source
            _log.warn("message {id} is indexed by its row alone: {error}", id=show(source.id), error=error)
            alone = msgspec.structs.replace(source, length=0)
            return [await _segment_of(store, jobs, [msgspec.structs.replace(messages[0], source=alone)])]
    half = len(messages) // 2
    return [*await segments_of(store, jobs, messages[:half]), *await segments_of(store, jobs, messages[half:])]


async def _segment_of(store: Store, jobs: Jobs, messages: Sequence[Unindexed]) -> Made:
    small = [one.body for one in messages if 0 < one.source.length <= WHOLE]
    read = await store.bodies.read_many(small)
    contents = {body.id: content for body, content in zip(small, read, strict=True) if not isinstance(content, Corrupt)}
    sources = [_readable(one, contents) for one in messages]
    job = await jobs.begin(building.KIND, building.encode(Messages(tuple(sources))))
    try:
        held: list[bytes] = []
        for one, source in zip(messages, sources, strict=True):
            if one.body.id in contents:
                held.append(contents[one.body.id])
            elif source.length:
                await _feed(job, b"".join(held))
                held = []
                await _feed_large(store, job, one.body, source.length)
        await _feed(job, b"".join(held))
        return await _made(job)
    finally:
        job.close()


def _readable(one: Unindexed, contents: dict[int, bytes]) -> Source:
    """What the child is told of a message: as many octets as follow."""
    large = one.source.length > WHOLE
    length = min(one.source.length, _MOST_OCTETS) if large else len(contents.get(one.body.id, b""))
    return msgspec.structs.replace(one.source, length=length)


async def _feed_large(store: Store, job: Job, body: Body, length: int) -> None:
    content = store.bodies.content(body)
    for at in range(0, length, PIECE):
        await job.feed(await content.read(at, min(PIECE, length - at)))


async def _feed(job: Job, data: bytes) -> None:
    for at in range(0, len(data), PIECE):
        await job.feed(data[at : at + PIECE])


async def _made(job: Job) -> Made:
    first = piece = building.decode(await job.ask(b""))
    blocks = list(piece.blocks)
    while piece.more:
        piece = building.decode(await job.ask(b""))
        blocks += piece.blocks
    return Made(blocks, first.places, first.partly)


def _shelf(one: Unindexed) -> tuple[int, int]:
    """The days that a segment is of: messages leave the archive together with those of the same days."""
    return one.source.time // DAY, one.expires // DAY


def _batches(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))


def portions(messages: Iterable[Unindexed]) -> Iterable[list[Unindexed]]:
    """Yields messages in lists of as many as one child may read at a time."""
    portion: list[Unindexed] = []
    octets = 0
    for one in messages:
        size = one.source.length + sum(map(len, one.source.recipients))
        if portion and octets + size > _BATCH_OCTETS:
            yield portion
            portion, octets = [], 0
        portion.append(one)
        octets += size
    if portion:
        yield portion
