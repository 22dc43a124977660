"""Answers SEARCH (RFC 9051 §6.4.4) from the messages of a view. Cheap keys are tried first, dear ones in steps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import partial

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.read import BODY, INTERNALDATE, RENDERED, SIZE, UID, Row, rows
from mpcontinuity.mailbox.rendering import examined
from mpcontinuity.mailbox.view import View
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.overview import has_attachment
from mpcontinuity.message.rendered import bodystructure, header, outdated, sent_date
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.search import (
    All,
    And,
    BodyContains,
    HasAttachment,
    HasBody,
    HasFlag,
    HeaderContains,
    InConversation,
    InternalDate,
    Key,
    Not,
    Numbers,
    Or,
    Recent,
    SentDate,
    Size,
    When,
)
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# What one step reads. Rows are matched in a reader's thread, bodies in the reactor's, where that takes not long: a step
# of them is some ms.
_ROWS = 1000
_RENDERED_ROWS = 250
_BODY_OCTETS = 128 * 1024
_BODIES = 64

# What a key costs per message, roughly in µs: the order in which And and Or ask.
_COST = {
    All: 0,
    Numbers: 0,
    HasFlag: 0,
    Recent: 0,
    HasBody: 1,
    InConversation: 1,
    Size: 2,
    InternalDate: 2,
    SentDate: 5,
    HasAttachment: 5,
    HeaderContains: 20,
    BodyContains: 500,
}

# For who counts what is done, in µs or so: places per µs that a cheap key looks at, a read of rows, a read of bodies,
# octets of them per µs.
_CHEAP = 5
_AT_A_STRETCH = 20_000  # places
_READ = 500
_BODIES_READ = 500
_SCANNED = 20

_OF_BODY = Statement("SELECT id FROM entry WHERE body = :body AND id BETWEEN :first AND :last")

_Test = Callable[[Row], bool | None]


# Counts what was done, in µs or so, lets others have their turn, and raises where nobody waits for the answer any more.
Spend = Callable[[int], Awaitable[None]]


async def _freely(work: int) -> None:
    """Where nobody else waits."""


async def search(store: Store, view: View, key: Key, spend: Spend = _freely, within: Range = (1, MAX_UID)) -> list[int]:
    """Returns the UIDs of the messages that match, in rising order. Raises Temporary when the store cannot be read.

    Messages that the session's client does not know yet are left out, and those with a UID that is not ``within``.
    """
    running = _Search(store, view, spend)
    first, last = within
    places = range(bisect_left(running.uids, first), bisect_right(running.uids, last))
    return [running.uids[place] for place in await running.matching(key, places)]


class _Search:
    """One SEARCH. Messages are meant by their places in ``uids``, which stay while other sessions expunge."""

    def __init__(self, store: Store, view: View, spend: Spend) -> None:
        self.uids = view.uids()
        self._spend = spend
        self._store = store
        self._view = view

    async def matching(self, key: Key, places: Sequence[int]) -> Sequence[int]:
        """Those of the places (rising) that match, rising."""
        if not places:
            return places
        await self._spend(1)
        match key:
            case All():
                return places
            case HasFlag():
                return await self._flagged(key, places)
            case Recent():
                return await self._filtered(places, lambda place: self._view.is_recent(self.uids[place]))
            case Numbers():
                ranges = self._view.sequences(key.ranges, uid=key.uid, lenient=True)  # what is not there does not match
                firsts = [first for first, _ in ranges]
                return await self._filtered(places, lambda place: _within(ranges, firsts, place + 1))
            case Not():
                return await self._without(places, await self.matching(key.key, places))
            case And():
                for part in sorted(key.keys, key=_cost):
                    places = await self.matching(part, places)
                return places
            case Or():
                cheap, dear = sorted((key.left, key.right), key=_cost)
                found = await self.matching(cheap, places)
                return sorted([*found, *await self.matching(dear, await self._without(places, found))])
            case BodyContains():
                needle = Needle(key.text)
                return await self._in_bodies(places, partial(needle.in_text, headers=key.headers))
            case HeaderContains():
                needle = Needle(key.text)
                found, unknown = await self._in_rows(places, _header_test(needle, key.field), rendered=True)
                long = await self._in_bodies(unknown, partial(needle.in_header, field=key.field))
                return sorted([*found, *long])
            case SentDate() | HasAttachment():
                test = _sent_test(key) if isinstance(key, SentDate) else _has_attachment
                return (await self._in_rows(places, test, rendered=True))[0]
            case HasBody() | InConversation():
                return await self._in_entries(key, places)
            case Size() | InternalDate():
                return (await self._in_rows(places, _row_test(key), rendered=False))[0]

    async def _filtered(self, places: Sequence[int], test: Callable[[int], object]) -> list[int]:
        """By what needs no reading, so many at a stretch."""
        found: list[int] = []
        for begin in range(0, len(places), _AT_A_STRETCH):
            found.extend(filter(test, places[begin : begin + _AT_A_STRETCH]))
            await self._spend(min(len(places), _AT_A_STRETCH) // _CHEAP)
        return found

    async def _without(self, places: Sequence[int], found: Sequence[int]) -> list[int]:
        """Both rise."""
        left: list[int] = []
        gone = 0
        for begin in range(0, len(places), _AT_A_STRETCH):
            stretch = places[begin : begin + _AT_A_STRETCH]
            until = bisect_right(found, stretch[-1], gone)
            left_out = set(found[gone:until])
            gone = until
            left.extend(place for place in stretch if place not in left_out)
            await self._spend(len(stretch) // _CHEAP)
        return left

    async def _flagged(self, key: HasFlag, places: Sequence[int]) -> Sequence[int]:
        mask = key.mask
        if not mask:
            wanted = key.keyword.lower()
            mask = sum(1 << bit for bit, name in self._view.keywords.items() if name.lower() == wanted)
        flags = self._view.flags_of_all()
        return await self._filtered(places, lambda place: flags[place] & mask)

    async def _in_rows(self, places: Sequence[int], test: _Test, *, rendered: bool) -> tuple[list[int], list[int]]:
        """Places that pass, and those where the row cannot tell; a message that went meanwhile does not match."""
        found: list[int] = []
        unknown: list[int] = []
        step = _RENDERED_ROWS if rendered else _ROWS
        for begin in range(0, len(places), step):
            uids = [self.uids[place] for place in places[begin : begin + step]]
            work = partial(_tested, mailbox=self._view.mailbox, uids=uids, test=test, rendered=rendered)
            passed, doubtful = await self._store.read(work)
            await self._spend(_READ)
            found.extend(map(self._place, passed))
            unknown.extend(map(self._place, doubtful))
        return found, unknown

    async def _in_entries(self, key: HasBody | InConversation, places: Sequence[int]) -> list[int]:
        """By an index of the database, however many messages there are. What is given out is bounded by what
        matches."""
        base = self._view.mailbox << UID_BITS
        work = partial(_entries_of, key=key, first=base, last=base | MAX_UID)
        found = {self._place(uid) for uid in await self._store.read(work)}
        await self._spend(_READ)
        return await self._filtered(places, found.__contains__)

    async def _in_bodies(self, places: Sequence[int], test: Callable[[bytes], bool]) -> list[int]:
        """Bodies are read and matched in steps, so that memory and the reactor's pause stay bounded."""
        found: list[int] = []
        for begin in range(0, len(places), _ROWS):
            uids = [self.uids[place] for place in places[begin : begin + _ROWS]]
            read = await self._store.read(partial(rows, mailbox=self._view.mailbox, uids=uids, body=True))
            for step in _steps(read):
                contents = await self._store.bodies.read_many([body for _, body in step])
                for (uid, _), content in zip(step, contents, strict=True):
                    if isinstance(content, Corrupt):
                        continue
                    if await examined(self._store, content, test):
                        found.append(self._place(uid))
                await self._spend(_BODIES_READ + sum(body.length for _, body in step) // _SCANNED)
        return found

    def _place(self, uid: int) -> int:
        return bisect_left(self.uids, uid)


def _cost(key: Key) -> int:
    match key:
        case Not():
            return _cost(key.key)
        case And():
            return min(map(_cost, key.keys), default=0)
        case Or():
            return _cost(key.left) + _cost(key.right)
        case _:
            return _COST[type(key)]


def _within(ranges: Sequence[Range], firsts: Sequence[int], number: int) -> bool:
    """``firsts`` are those of the ranges, which are sorted and disjoint."""
    place = bisect_right(firsts, number) - 1
    return place >= 0 and number <= ranges[place][1]


def _steps(read: Sequence[Row]) -> Iterable[list[tuple[int, Body]]]:
    step: list[tuple[int, Body]] = []
    octets = 0
    for row in read:
        body = row[BODY]
        assert body is not None
        if step and (octets + body.length > _BODY_OCTETS or len(step) == _BODIES):
            yield step
            step, octets = [], 0
        step.append((row[UID], body))
        octets += body.length
    if step:
        yield step


def _tested(
    tx: Transaction, mailbox: int, uids: Sequence[int], test: _Test, *, rendered: bool
) -> tuple[list[int], list[int]]:
    passed, doubtful = [], []
    for row in rows(tx, mailbox, uids, rendered=rendered):
        answer = test(row)
        if answer:
            passed.append(row[UID])
        elif answer is None:
            doubtful.append(row[UID])
    return passed, doubtful


def _entries_of(tx: Transaction, key: HasBody | InConversation, first: int, last: int) -> list[int]:
    if isinstance(key, HasBody):
        found = tx.all(_OF_BODY, body=key.body, first=first, last=last)
        return [id_ & MAX_UID for (id_,) in found]
    return [id_ & MAX_UID for id_ in conversations.entries(tx, key.conversation, first, last)]


def _has_attachment(row: Row) -> bool:
    blob = row[RENDERED] or b""
    return not outdated(blob) and has_attachment(bodystructure(blob))


def _row_test(key: Size | InternalDate) -> _Test:
    if isinstance(key, Size):
        return (lambda row: row[SIZE] > key.than) if key.larger else (lambda row: row[SIZE] < key.than)
    # Whole days of UTC, as the internal date is shown: two bounds instead of a date per message.
    midnight = int(datetime(key.day.year, key.day.month, key.day.day, tzinfo=UTC).timestamp()) * SECOND
    day = 86400 * SECOND
    first, last = {
        When.BEFORE: (-(1 << 63), midnight),
        When.ON: (midnight, midnight + day),
        When.SINCE: (midnight, 1 << 63),
    }[key.when]
    return lambda row: first <= row[INTERNALDATE] < last


def _sent_test(key: SentDate) -> _Test:
    compare: Callable[[date], bool] = {
        When.BEFORE: lambda sent: sent < key.day,
        When.ON: lambda sent: sent == key.day,
        When.SINCE: lambda sent: sent >= key.day,
    }[key.when]

    def test(row: Row) -> bool:
        sent = sent_date(row[RENDERED]) if row[RENDERED] else None
        return sent is not None and compare(sent)

    return test


def _header_test(needle: Needle, field: str) -> _Test:
    def test(row: Row) -> bool | None:
        block = header(row[RENDERED]) if row[RENDERED] else None
        return None if block is None else needle.in_header(block, field)

    return test
