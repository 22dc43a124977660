"""The archive's index against the archive: each segment as it was made, and each message in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from mpcontinuity.archive import index, segment
from mpcontinuity.archive.index import Segment
from mpcontinuity.archive.indexing import Indexing, KnownIds
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.children.pool import Died
from mpcontinuity.store.transaction import Transaction

_STEP: Final = 16  # blocks that are read at once
_SAID: Final = 25_000  # messages that are indexed again between two words about it
_REMEDY: Final = "the messages that it lacks are read again"


async def examine_archive_index(inspection: Inspection) -> None:
    """Tells of damaged segments, and of messages that are in none although the index goes further; with ``repair``
    takes the damaged ones out, and indexes what is in none."""
    inspection.step("reading the archive's index")
    store = inspection.store
    damaged = [one for one in await store.read(index.all_segments) if not await _is_whole(inspection, one)]
    if damaged:
        what = f"the archive's index: {len(damaged)} of its parts are damaged"
    elif missing := await _missing(inspection):
        what = f"the archive's index lacks {missing} messages"
    else:
        return
    await inspection.found("index", what, _REMEDY, partial(_mend, inspection, [one.id for one in damaged]))


async def _is_whole(inspection: Inspection, one: Segment) -> bool:
    """Whether all of it is there and can be read; one that is no longer in the index is nobody's concern."""
    after = b""
    blocks = octets = 0
    whole = await inspection.store.read(partial(_has_places, one=one))
    while whole and not inspection.quick:
        some = await inspection.store.read(partial(_read, of=one.id, after=after))
        if not some:
            whole = (blocks, octets) == (one.blocks, one.octets)
            break
        blocks, octets, after = blocks + len(some), octets + sum(size for _, size in some), some[-1][0]
        whole = all(size for _, size in some)
    return whole or not await inspection.store.read(partial(index.there, ids=[one.id]))


def _has_places(tx: Transaction, one: Segment) -> bool:
    try:
        places = index.places(tx, one.id)
    except index.BadPlaces:
        return False
    ids = [id_ for _, id_ in places]
    return (
        len(places) == one.messages
        and places == sorted(places)
        and (places[0][0], places[-1][0], min(ids), max(ids)) == (one.oldest, one.newest, one.first, one.last)
    )


def _read(tx: Transaction, of: int, after: bytes) -> Sequence[tuple[bytes, int]]:
    """The first term of each of the next blocks, and its octets; 0 for one that is damaged."""
    found = []
    for first, data in index.blocks(tx, of, after, _STEP):
        try:
            found.append((first, len(data) if segment.terms_of(data)[0] == first else 0))
        except segment.Damaged:
            found.append((first, 0))
    return found


async def _missing(inspection: Inspection) -> int:
    """How many messages are in no segment at or below the watermark."""
    store = inspection.store
    watermark = await store.read(index.watermark)
    known = KnownIds(store)
    below, count = watermark + 1, 0
    while window := await store.read(partial(index.ids_between, above=0, below=below)):
        below = window[-1]
        count += len(await known.missing(window[::-1]))
    return count


async def _mend(inspection: Inspection, damaged: Sequence[int]) -> str:
    store = inspection.store
    told = 0

    def said(count: int) -> None:
        nonlocal told
        if count >= told + _SAID:
            told = count
            inspection.step(f"{count} messages are indexed again")

    def take_out(tx: Transaction) -> None:
        index.take_out(tx, damaged)
        index.begin_anew(tx)

    await store.run(take_out)
    try:
        count = await Indexing(store, inspection.jobs).bring_up(0, said)
    except Died as error:
        inspection.note(f"the server indexes what is left when it runs: {error}")
        return f"{len(damaged)} parts are taken out of the index"
    return f"{count} messages are indexed again"
