"""Fills the folder `Email Archive` of users who look at it: with their own mail of the archive, in bounded steps.

Nobody's folder is filled before they look, and no message's way knows of it. What is new is added when the folder is
opened and while it is looked at; what the archive drops leaves it in the same transaction (archive/retention.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.users import User
from mpcontinuity.archive import archived
from mpcontinuity.archive.archived import Archived
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.search import MOST as PAGE
from mpcontinuity.archive.search import search
from mpcontinuity.children.pool import Died, Jobs
from mpcontinuity.mailbox import archived as folder
from mpcontinuity.mailbox.append import NewEntry
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import LATEST, MINUTE
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# Messages of one folder, the newest: some 1.5 KiB each in the database. What is older is found by a search.
MOST: Final = 5_000
# A client waits for SELECT a minute or so; what is not there by then comes as news.
PATIENCE: Final = 5.0  # s
# Folders that are filled at a time: a thousand users who open theirs for the first time at once wait for each other,
# and nobody else for them.
AT_ONCE: Final = 2
REST: Final = 0.02  # s between two steps of one
AGAIN: Final = 5.0  # s between two looks for what is new, however often clients ask

_STEP: Final = 50  # messages that are read, rendered and listed together
_STEP_OCTETS: Final = 4 << 20  # of which at most so much, or one
# Rows are committed in another order than they came in, by some seconds at the most.
_LATE: Final = 10 * MINUTE

_log = Logger()


class EmailArchives:
    """The folders of all users, for one process, in the reactor thread."""

    def __init__(self, store: Store, jobs: Jobs, timer: Timer) -> None:
        self._store = store
        self._jobs = jobs
        self._timer = timer
        self._filling: dict[int, Deferred[None]] = {}  # by account
        self._looked: dict[int, float] = {}  # when, by account
        self._turn = DeferredSemaphore(AT_ONCE)

    async def make(self, user: User) -> MailboxInfo | None:
        """Makes the user's folder, unless it is there, or their domain archives nothing. Raises Temporary."""
        if await self._store.read(partial(_archives, domain=user.domain)):
            return await self._store.run(partial(folder.make, account=user.id))
        return await self._store.read(partial(folder.find, account=user.id))

    async def look(self, user: User, *, patience: float = PATIENCE) -> None:
        """Adds to the folder what is new, and waits for that up to ``patience`` seconds; the rest comes later.

        It looks every AGAIN seconds at the most.
        """
        now = self._timer.seconds()
        filling = self._filling.get(user.id)
        if filling is None:
            if now < self._looked.get(user.id, -AGAIN) + AGAIN:
                return
            self._looked = {account: time for account, time in self._looked.items() if now < time + AGAIN}
            self._looked[user.id] = now
            filling = self._filling[user.id] = Deferred()
            work: Deferred[None] = self._turn.run(self._begin, user)
            work.addErrback(_failed, user)
            work.addCallback(self._filled, user.id)
        await _within(self._timer, filling, patience)

    def _filled(self, _: None, account: int) -> None:
        self._filling.pop(account).callback(None)

    def _begin(self, user: User) -> Deferred[None]:
        return Deferred.fromCoroutine(self._fill(user))

    async def _fill(self, user: User) -> None:
        info = await self._store.read(partial(folder.find, account=user.id))
        if info is None:
            return
        extent = await self._store.read(partial(folder.extent, folder=info))
        ids = await self._new(user, extent.last - _LATE)
        for start in range(0, len(ids), _STEP):
            found = await self._store.read(partial(archived.find, ids=ids[start : start + _STEP]))
            wanted = set(
                await self._store.read(
                    partial(folder.missing, folder=info.id, bodies=[message.body.id for message in found])
                )
            )
            for portion in _portions([message for message in found if message.body.id in wanted]):
                entries = [(message.id, await self._entry(message)) for message in portion]
                await self._store.run(partial(_add, into=info.id, entries=entries), bulk=True)
                if len(ids) > _STEP:
                    await _pause(self._timer, REST)
        while await self._store.run(partial(folder.trim, folder=info.id, most=MOST), bulk=True) == folder.STEP:
            pass

    async def _new(self, user: User, since: int) -> list[int]:
        """The ids of up to MOST messages of the user's that came since then, the oldest first."""
        theirs = await self._store.read(partial(users.keys_since, account=user.id))
        whose = Whose(user.domain, frozenset(theirs), theirs)  # of no domain that was removed and had the same name
        query = Query().between(since, LATEST)
        ids: list[int] = []
        after = 0
        while len(ids) < MOST:
            page = await search(self._store, self._jobs, query, whose, PAGE, after)
            if page.unsearched:  # something would be left out for ever
                raise Temporary(f"the archive is still being indexed: {page.unsearched} messages")
            ids += [identifier.parse(row.id) for row in page.rows]
            if not page.more:
                break
            after = ids[-1]
        return ids[MOST - 1 :: -1] if len(ids) > MOST else ids[::-1]

    async def _entry(self, message: Archived) -> NewEntry:
        body = message.body
        try:
            content = await self._store.bodies.read(body)
        except Corrupt as error:
            _log.error("{error}", error=error)
            content = b""
        return NewEntry(body.id, body.length, message.time, SEEN, (), await rendered(self._store, content))


def _portions(messages: Sequence[Archived]) -> list[list[Archived]]:
    portions: list[list[Archived]] = []
    octets = 0
    for message in messages:
        octets += message.body.length
        if not portions or octets > _STEP_OCTETS:
            portions.append([])
            octets = message.body.length
        portions[-1].append(message)
    return portions


def _add(tx: Transaction, into: int, entries: Sequence[tuple[int, NewEntry]]) -> None:
    """Of the messages, given with their ids in the archive, those that are archived still."""
    there = archived.lock(tx, [id_ for id_, _ in entries])
    folder.add(tx, into, [entry for id_, entry in entries if id_ in there])


def _archives(tx: Transaction, domain: int) -> bool:
    return any(one.id == domain and one.settings.retention_days > 0 for one in domains.listing(tx))


def _pause(timer: Timer, seconds: float) -> Deferred[None]:
    over: Deferred[None] = Deferred()
    timer.callLater(seconds, over.callback, None)
    return over


def _within(timer: Timer, work: Deferred[None], seconds: float) -> Deferred[None]:
    """Fires when the work is done, or after so many seconds."""
    if work.called:
        return succeed(None)
    over: Deferred[None] = Deferred()
    alarm = timer.callLater(seconds, over.callback, None)

    def done(_: None) -> None:
        if alarm.active():
            alarm.cancel()
            over.callback(None)

    work.addCallback(done)
    return over


def _failed(failure: Failure, user: User) -> None:
    """What is new is added another time."""
    if isinstance(failure.value, Temporary | Died | Stopping | MailboxRefused):
        _log.info("Email Archive of {address} is not filled: {error}", address=user.address, error=failure.value)
    else:
        _log.failure("Email Archive of {address} is not filled", failure, address=user.address)
