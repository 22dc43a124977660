"""Searches all folders of a user for one question, the newest messages first, in bounds of time and memory.

The answer for a folder is that of IMAP's SEARCH (mailbox/search.py). Each folder is gone through from its highest UID
down, in stretches; whichever has the newest message that was not looked at goes on. So what comes first came last, but
for messages that were put into a folder out of the order in which they came. A page ends where it is full or where its
work is done, and says how far it came; the next one goes on there and finds nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple

from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.search import search
from mpcontinuity.mailbox.view import View, Views
from mpcontinuity.model.search import And, BodyContains, Key, Not, Or
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

PAGE: Final = 50
PATIENCE: Final = 2.0  # s of a page
# What a page may do, in µs or so as mailbox/search.py counts it: others have the rest of the processor.
MOST_WORK: Final = 1_000_000
MOST_FOLDERS: Final = 200  # that one page merges; what is in others comes behind them
_STRETCH: Final = 1_000  # messages of a folder that are searched together
_STRETCH_OF_TEXT: Final = 100  # where their texts are read
# Octets of such a stretch, for all parts of the question that read texts: 0.4 s of work. A longer message is a stretch
# of its own.
_OCTETS_OF_TEXT: Final = 8 << 20

_HORIZON = Statement(
    "SELECT id, internaldate FROM entry WHERE id >= :first AND id < :before ORDER BY id DESC LIMIT 1 OFFSET :skip"
)
_SIZES = Statement("SELECT id, size FROM entry WHERE id >= :first AND id < :before ORDER BY id DESC LIMIT :most")
_DATES = Statement("SELECT id, internaldate FROM entry WHERE id IN [:ids]")


class _Spent(Exception):
    """Raised where a stretch takes all the work of a page."""


class Found(NamedTuple):
    """A message that matches, and when it came (µs)."""

    mailbox: int
    uid: int
    date: int


@dataclass(frozen=True, slots=True)
class Results:
    """A page of what was found, in the order in which it is to be shown.

    ``position`` is where the next page goes on: of each folder that is not done the UID below which it goes on. It is
    empty at the end. ``since`` is the date (µs) of the newest message that was not looked at yet, where the page ended
    because its work was done; 0 where it is full, or all is searched.
    """

    rows: tuple[Found, ...]
    position: dict[int, int]
    since: int


@dataclass(slots=True)
class _Folder:
    """A folder that is gone through: below the UID ``before`` nothing was looked at yet; ``hits`` are not given out
    yet, the newest first. ``horizon`` is the date of the next message to look at, 0 where there is none."""

    info: MailboxInfo
    before: int
    horizon: int = 0
    hits: list[Found] = field(default_factory=list)
    view: View | None = None


async def search_all(
    store: Store,
    views: Views,
    timer: Timer,
    folders: Sequence[MailboxInfo],
    key: Key,
    position: dict[int, int] | None = None,
    limit: int = PAGE,
) -> Results:
    """Returns up to ``limit`` messages of these folders of one user that match.

    ``position`` is that of the page before, None at the beginning. Raises Temporary.
    """
    at = {info.id: MAX_UID + 1 for info in folders} if position is None else position
    # What a browser says may be anything: behind the highest UID is another mailbox.
    wanted = [_Folder(info, min(at[info.id], MAX_UID + 1)) for info in folders if at.get(info.id, 0) > 1]
    running = _SearchAll(store, views, timer, wanted[:MOST_FOLDERS], key)
    try:
        rows, since = await running.page(limit)
    finally:
        running.close()
    left = {one.info.id: one.before for one in wanted[MOST_FOLDERS:]}
    return Results(tuple(rows), running.position() | left, since)


class _SearchAll:
    def __init__(self, store: Store, views: Views, timer: Timer, folders: Sequence[_Folder], key: Key) -> None:
        self._store = store
        self._views = views
        self._timer = timer
        self._folders = folders
        self._key = key
        self._texts = _texts(key)
        self._until = 0.0
        self._spent = 0

    async def page(self, limit: int) -> tuple[list[Found], int]:
        """The rows, and the date of what was not looked at."""
        for folder in self._folders:
            await self._look_ahead(folder)
        self._until = self._timer.seconds() + PATIENCE  # from here on, so that each page comes on by a stretch
        rows: list[Found] = []
        while len(rows) < limit:
            ready = max((one for one in self._folders if one.hits), key=lambda one: one.hits[0].date, default=None)
            ahead = max((one for one in self._folders if one.before > 1 and not one.hits), key=_horizon, default=None)
            if ahead is not None and (ready is None or ahead.horizon > ready.hits[0].date):
                if self._is_done():
                    return rows, ahead.horizon
                await self._search(ahead)
            elif ready is not None:
                rows.append(ready.hits.pop(0))
            else:
                break
        return rows, 0

    def position(self) -> dict[int, int]:
        """Where each folder that is not done goes on."""
        return {
            one.info.id: one.hits[0].uid + 1 if one.hits else one.before
            for one in self._folders
            if one.hits or one.before > 1
        }

    def close(self) -> None:
        """Ends the views."""
        for one in self._folders:
            if one.view is not None:
                one.view.close()

    def _is_done(self) -> bool:
        return self._spent >= MOST_WORK or self._timer.seconds() >= self._until

    async def _look_ahead(self, folder: _Folder) -> None:
        """Notes the date of the next message of the folder."""
        work = partial(_next, mailbox=folder.info.id, before=folder.before, skip=0)
        found = await self._store.read(work)
        if found is None:
            folder.before, folder.horizon = 1, 0
        else:
            folder.before, folder.horizon = found[0] + 1, found[1]

    async def _search(self, folder: _Folder) -> None:
        """Searches the next stretch of a folder."""
        try:
            first, uids = await self._searched(folder)
        except MailboxRefused:  # it was deleted meanwhile
            folder.before, folder.horizon = 1, 0
            return
        mailbox = folder.info.id
        dates = await self._store.read(partial(_dates, mailbox=mailbox, uids=uids)) if uids else {}
        folder.hits = [Found(mailbox, uid, dates[uid]) for uid in reversed(uids) if uid in dates]
        folder.before = first
        await self._look_ahead(folder)

    async def _searched(self, folder: _Folder) -> tuple[int, list[int]]:
        """The lowest UID that was looked at, and those that match. Raises MailboxRefused."""
        if folder.view is None:
            folder.view = await self._views.open(folder.info)
        if not self._texts:
            with suppress(_Spent):  # many messages had to be read whole, such as those with very long headers
                return await self._search_rows(folder, folder.view)
        return await self._search_texts(folder, folder.view)

    async def _search_rows(self, folder: _Folder, view: View) -> tuple[int, list[int]]:
        """Raises _Spent where it would take more work than is left."""
        work = partial(_next, mailbox=folder.info.id, before=folder.before, skip=_STRETCH - 1)
        end = await self._store.read(work)
        first = end[0] if end is not None else 1
        return first, await search(self._store, view, self._key, self._spend, (first, folder.before - 1))

    async def _search_texts(self, folder: _Folder, view: View) -> tuple[int, list[int]]:
        """By a stretch that is bounded by what is read, and always comes on by a message."""
        most = _OCTETS_OF_TEXT // max(self._texts, 1)
        first = await self._store.read(partial(_first, mailbox=folder.info.id, before=folder.before, most=most))
        return first, await search(self._store, view, self._key, self._count, (first, folder.before - 1))

    async def _count(self, work: int) -> None:
        """Others have their turn at each read, which is another thread's."""
        self._spent += work

    async def _spend(self, work: int) -> None:
        self._spent += work
        if self._spent >= MOST_WORK:
            raise _Spent


def _horizon(folder: _Folder) -> int:
    return folder.horizon


def _texts(key: Key) -> int:
    """How many parts of a question read the texts of messages."""
    match key:
        case Not():
            return _texts(key.key)
        case And():
            return sum(map(_texts, key.keys))
        case Or():
            return _texts(key.left) + _texts(key.right)
        case _:
            return isinstance(key, BodyContains)


def _first(tx: Transaction, mailbox: int, before: int, most: int) -> int:
    """The lowest UID of a stretch below ``before`` whose messages have so many octets at most, or which is one message;
    1 where it is the last."""
    base = mailbox << UID_BITS
    rows = tx.all(_SIZES, first=base, before=base + before, most=_STRETCH_OF_TEXT)
    sizes = accumulate(size for _, size in rows)
    fit = max(sum(1 for size in sizes if size <= most), 1)
    if len(rows) < _STRETCH_OF_TEXT and fit >= len(rows):
        return 1
    return int(rows[fit - 1][0]) & MAX_UID


def _next(tx: Transaction, mailbox: int, before: int, skip: int) -> tuple[int, int] | None:
    """UID and date of the message below ``before``, behind ``skip`` others."""
    base = mailbox << UID_BITS
    row = tx.one(_HORIZON, first=base, before=base + before, skip=skip)
    if row is None:
        return None
    id_, date = row
    return id_ & MAX_UID, date


def _dates(tx: Transaction, mailbox: int, uids: Sequence[int]) -> dict[int, int]:
    base = mailbox << UID_BITS
    return {id_ & MAX_UID: date for id_, date in tx.all(_DATES, ids=[base | uid for uid in uids])}
