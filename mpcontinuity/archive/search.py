"""Answers queries: by segment, from the newest message to the oldest, and no further than asked for.

What is in no segment yet is made one in memory, by the same child process and the same code, so that a message is found
as soon as it is archived, and by the same rules.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Final

import msgspec

from mpcontinuity.accounts import users
from mpcontinuity.archive import index, segment
from mpcontinuity.archive.building import Place
from mpcontinuity.archive.document import Source, owner_keys
from mpcontinuity.archive.index import Segment
from mpcontinuity.archive.indexing import BATCH, KnownIds, portions, segments_of
from mpcontinuity.archive.matching import Whose, groups, holds_by_row, is_told_by_row, matching
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.children.pool import Jobs
from mpcontinuity.model import identifier
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused, Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

MOST: Final = 1_000  # rows of one page
# Messages in no segment that one search reads itself, the newest of them; reading one takes half a millisecond. The
# index is behind by more after a flood, and while the archive of an older version is indexed for the first time.
MOST_READ: Final = 1_000
# Where their rows are enough, because nothing is asked about their contents: some 20 µs each.
MOST_ROWS: Final = 20_000
# Segments that the first transaction looks at; each further one at twice as many: what is common is in the newest.
_BEGIN_WITH: Final = 4
_LOOKS: Final = 256  # blocks that one transaction reads at most, of some 50 µs each
_ROWS: Final = 200  # rows of `archive` that one transaction reads
_ATTEMPTS: Final = 10  # of a search whose segments were joined meanwhile; that is done some times a minute
_FIRST: Final = (identifier.LAST, identifier.LAST)  # above every place


class ArchivedRow(msgspec.Struct, frozen=True):
    """A message of the archive. ``time`` is when it came, in ISO 8601, and ``size`` is in octets.

    Where a user looks at what came to them, ``recipients`` are those of the envelope's that are their own.
    """

    id: str
    time: str
    direction: str
    sender: str
    recipients: list[str]
    subject: str
    message_id: str
    size: int


class Found(msgspec.Struct, frozen=True):
    """A page of what a query finds, the newest first; ``more`` says that others follow.

    ``unsearched`` is how many messages the index does not have yet and the search did not read.
    """

    rows: list[ArchivedRow]
    more: bool
    unsearched: int


class _Changed(Exception):
    """The segments that were being searched are other ones now."""


_ROW = Statement(
    """SELECT id, time, domain, direction, sender, recipients, subject, message_id, size
    FROM archive WHERE id IN [:ids]"""
)
_TIME = Statement("SELECT time FROM archive WHERE id = :id")
_decode = msgspec.json.Decoder(list[str]).decode


async def search(store: Store, jobs: Jobs, query: Query, whose: Whose, limit: int, after: int = 0) -> Found:
    """Returns up to ``limit`` messages (at most MOST) that the query finds, those behind the one with the id ``after``.

    0 is the beginning. Raises Temporary where the store cannot be read, Refused where the index is damaged, and Died
    where no child process can be had.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await _Search(store, jobs, query, whose, min(limit, MOST)).page(after)
        except _Changed:
            pass
        except (segment.Damaged, index.BadPlaces) as error:
            hint = Hint("check", "makes it anew", {"repair": True})
            raise Refused(f"the index of the archive is damaged: {error}", "conflict", hint) from None
    raise Temporary("the index of the archive changes all the time")


class _Search:
    """One search. Hits are kept with their places, the newest first, one more than are asked for."""

    def __init__(self, store: Store, jobs: Jobs, query: Query, whose: Whose, limit: int) -> None:
        self._store = store
        self._jobs = jobs
        self._query = query
        self._whose = whose
        self._limit = limit
        self._groups = groups(query, whose)
        self._by_row = is_told_by_row(query)
        self._before = _FIRST
        self._hits: dict[Place, ArchivedRow] = {}

    async def page(self, after: int) -> Found:
        watermark, before = await self._store.read(partial(_begin, after=after))
        self._before = min(before, (self._query.until, 0))
        # In this order: what is put into a segment meanwhile is found twice, and never missed.
        ids, unsearched = await self._fresh(watermark)
        await self._search_fresh(ids)
        if self._query.ids is None:
            await self._search_stored(await self._store.read(index.all_segments))
        rows = list(self._hits.values())
        return Found(rows[: self._limit], len(rows) > self._limit, unsearched)

    async def _fresh(self, watermark: int) -> tuple[list[int], int]:
        """The ids of what is in no segment, or of all that may be found at all; and how many are left out."""
        if self._query.ids is not None:
            return sorted(self._query.ids), 0
        known = KnownIds(self._store)
        most = MOST_ROWS if self._by_row else MOST_READ
        fresh: list[int] = []
        below = identifier.LAST
        while window := await self._store.read(partial(index.ids_between, above=watermark, below=below)):
            below = window[-1]
            fresh += await known.missing(window[::-1])
            if len(fresh) > most:
                return sorted(fresh)[-most:], max(await self._store.read(index.behind) - most, 1)
        return fresh, 0

    async def _search_fresh(self, ids: Sequence[int]) -> None:
        for at in range(0, len(ids), BATCH):
            found = await self._store.read(partial(index.unindexed, ids=ids[at : at + BATCH]))
            admitted = [one for one in found if self._admits(one.source)]
            if self._by_row:
                await self._take([one.source.id for one in admitted if holds_by_row(self._query, one.source)])
                continue
            for portion in portions(admitted):
                for made in await segments_of(self._store, self._jobs, portion):
                    look = segment.InMemory(made.blocks).look
                    numbers = segment.numbers(matching(self._query, self._whose, len(made.places), look))
                    await self._take([made.places[number][1] for number in numbers])

    def _admits(self, source: Source) -> bool:
        """Whether the row alone does not rule the message out, so that its content is worth reading."""
        return (
            self._query.since <= source.time
            and (source.time, source.id) < self._before
            and self._whose.domain in (0, source.domain)
            and self._query.larger < source.size < self._query.smaller
            and (self._whose.keys is None or not self._whose.keys.isdisjoint(owner_keys(source)))
        )

    async def _search_stored(self, segments: Sequence[Segment]) -> None:
        """They come with the newest first."""
        wanted = [one for one in segments if one.newest >= self._query.since and (one.oldest, 0) <= self._before]
        most = max(_LOOKS // max(len(self._groups), 1), 1)
        at, step = 0, _BEGIN_WITH
        while some := wanted[at : at + min(step, most)]:
            at, step = at + len(some), step * 2
            if self._is_done(some[0].newest):
                return
            found = await self._store.read(
                partial(_matched, query=self._query, whose=self._whose, groups=self._groups, segments=some)
            )
            await self._take_of(list(zip(some, found, strict=True)))

    def _is_done(self, newest: int) -> bool:
        """Whether the page is full, and what is not looked at yet is older."""
        return len(self._hits) > self._limit and next(reversed(self._hits)) > (newest, identifier.LAST)

    async def _take_of(self, found: Sequence[tuple[Segment, list[int]]]) -> None:
        """Takes the newest of what was found, as many as are wanted: rows of several segments in one transaction."""
        gathered: list[tuple[int, list[int]]] = []
        room = _ROWS
        for one, numbers in found:
            if self._is_done(one.newest):
                break
            left = await self._within(one, numbers)
            while left:
                left, some = left[:-room], left[-room:]
                gathered.append((one.id, some))
                room -= len(some)
                if not room:
                    oldest = await self._take_rows(gathered)
                    gathered, room = [], _ROWS
                    if self._is_done(oldest):
                        break
        if gathered:
            await self._take_rows(gathered)

    async def _within(self, one: Segment, numbers: list[int]) -> list[int]:
        """Those within the wanted time; where all of the segment is, nothing is read for it."""
        if not numbers or ((one.newest, identifier.LAST) < self._before and one.oldest >= self._query.since):
            return numbers
        places = await self._store.read(partial(_places, of=one.id))
        first, stop = bisect_left(places, (self._query.since, 0)), bisect_left(places, self._before)
        return [number for number in numbers if first <= number < stop]

    async def _take_rows(self, gathered: Sequence[tuple[int, list[int]]]) -> int:
        """Takes messages, given by segments and their numbers, and returns the time of the oldest of the last one."""
        work = partial(_rows_of, gathered=gathered, query=self._query, whose=self._whose, before=self._before)
        oldest, rows = await self._store.read(work)
        self._add(rows)
        return oldest

    async def _take(self, ids: Sequence[int]) -> None:
        if ids:
            work = partial(_rows, ids=ids, query=self._query, whose=self._whose, before=self._before)
            self._add(await self._store.read(work))

    def _add(self, rows: dict[Place, ArchivedRow]) -> None:
        hits = sorted({**self._hits, **rows}.items(), key=itemgetter(0), reverse=True)
        self._hits = dict(hits[: self._limit + 1])


def _begin(tx: Transaction, after: int) -> tuple[int, Place]:
    """Up to where the index is complete, and the place that the search goes on below."""
    before = _FIRST
    if after:  # of a message that is gone, when its id was made
        before = (int(tx.value(_TIME, id=after) or identifier.moment_of(after)), after)
    return index.watermark(tx), before


def _matched(
    tx: Transaction, query: Query, whose: Whose, groups: Sequence[bytes], segments: Sequence[Segment]
) -> list[list[int]]:
    """For each segment the numbers of the messages that may be found, rising."""
    ids = [one.id for one in segments]
    if len(index.there(tx, ids)) < len(ids):
        raise _Changed
    blocks = {group: index.look(tx, ids, group) for group in groups}
    found = []
    for one in segments:
        looked: dict[bytes, dict[bytes, int]] = {}

        def look(group: bytes, of: int = one.id, looked: dict[bytes, dict[bytes, int]] = looked) -> dict[bytes, int]:
            if group not in looked:
                block = blocks[group].get(of)
                looked[group] = segment.find(block, group) if block is not None else {}
            return looked[group]

        found.append(segment.numbers(matching(query, whose, one.messages, look)))
    return found


def _places(tx: Transaction, of: int) -> list[Place]:
    if not index.there(tx, [of]):
        raise _Changed
    return index.places(tx, of)


def _rows_of(
    tx: Transaction, gathered: Sequence[tuple[int, list[int]]], query: Query, whose: Whose, before: Place
) -> tuple[int, dict[Place, ArchivedRow]]:
    """The time of the oldest of the last segment, and rows as `_rows` returns them."""
    segments = {of for of, _ in gathered}
    if len(index.there(tx, segments)) < len(segments):
        raise _Changed
    ids: list[int] = []
    oldest = 0
    for of, numbers in gathered:
        places = index.places_of(tx, of, numbers)
        oldest = places[0][0]
        ids += [id_ for _, id_ in places]
    return oldest, _rows(tx, ids, query, whose, before)


def _rows(tx: Transaction, ids: Sequence[int], query: Query, whose: Whose, before: Place) -> dict[Place, ArchivedRow]:
    """Those that are still archived and hold what the index knows only roughly."""
    found = {}
    for id_, time, domain, direction, sender, recipients, subject, message_id, size in tx.all(_ROW, ids=ids):
        if not (query.since <= time and (time, id_) < before and query.larger < size < query.smaller):
            continue
        if whose.domain not in (0, domain):
            continue
        named = _decode(recipients)
        if whose.keys is not None:
            if direction == OUTBOUND:
                if not _is_own(tx, sender, time, whose.keys, whose.since):
                    continue
            else:
                named = [one for one in named if _is_own(tx, one, time, whose.keys, whose.since)]
                if not named:
                    continue
        shown = identifier.show(id_), iso(time), direction, sender, named, subject, message_id, size
        found[time, id_] = ArchivedRow(*shown)
    return found


def _is_own(tx: Transaction, text: str, time: int, keys: frozenset[str], since: Mapping[str, int]) -> bool:
    """Whether an address of the envelope was one of these then: itself, or without a tag that is nobody else's."""
    try:
        address = parse(text)
    except BadAddress:
        return text.lower() in keys
    if address.key in keys:
        return time >= since.get(address.key, 0)
    own = address.untagged_key in keys and time >= since.get(address.untagged_key, 0)
    return own and users.find_exactly(tx, address) is None
