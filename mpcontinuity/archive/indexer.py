"""The service that keeps the index up to what is archived, beside the mail that comes and goes.

One process at a time does it (store/election.py). It looks every few seconds for what was archived lately, every
minute over everything above the watermark, and every hour over all, for what was committed so late that the watermark
had passed it; it joins small segments, and drops those whose messages are gone.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from mpcontinuity.archive import index
from mpcontinuity.archive.indexing import Indexing
from mpcontinuity.children.pool import Died, Jobs
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.identifier import first_at
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.store.store import Store

EVERY: Final = 5.0  # s; what came since then is read by the search itself
_AGAIN: Final = 30.0  # s, where another process does it, or after the database was away
_NEW_EVERY: Final = 60.0  # s between two looks at all above the watermark
_ALL_EVERY: Final = 3600.0  # s between two looks at everything
_LATELY: Final = 20 * SECOND  # µs that the quick look goes back
# While mail comes in, indexing rests nineteen times as long as it works: a batch takes a quarter of a second, so that
# this is 50 messages per second in a fortieth of two cores. Else it rests as long as it works.
_BUSY: Final = 40  # messages that were archived
_BUSY_WITHIN: Final = 2 * SECOND  # µs
_REST_WHEN_BUSY: Final = 19.0
_REST: Final = 1.0

_KIND: Final = "archive index"  # of election

_log = Logger()


class Indexer:
    """The service. ``indexed`` counts the messages that this process has put into the index since its start."""

    def __init__(self, store: Store, jobs: Jobs, timer: Timer) -> None:
        self.indexed = 0
        self._store = store
        self._timer = timer
        self._indexing = Indexing(store, jobs, self._rest)
        self._alarm: Alarm | None = None
        self._round: Deferred[None] | None = None
        self._stopping = False
        self._worked_until = 0.0  # when the last rest ended
        # s, by a clock that nobody sets: after a jump back the next look at all would be days away.
        self._looked_at_new = self._looked_at_all = float("-inf")

    def start(self) -> None:
        """Begins to index."""
        self._begin()

    def stop(self) -> None:
        """Ends at once; what is not indexed by then is found again at the next start."""
        self._stopping = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._round is not None:
            self._round.cancel()

    def _begin(self) -> None:
        self._round = Deferred.fromCoroutine(self._work())
        self._round.addBoth(lambda _: None)

    async def _work(self) -> None:
        wait = _AGAIN
        try:
            if await self._store.election.hold(_KIND, 0):
                await self._look()
                wait = EVERY
        except (Stopping, CancelledError):
            return
        except (Temporary, Died) as error:
            _log.warn("the archive's index has to wait: {error}", error=error)
        except Exception:
            _log.failure("indexing the archive failed")
        if not self._stopping:
            self._alarm = self._timer.callLater(wait, self._begin)

    async def _look(self) -> None:
        now = self._worked_until = self._timer.seconds()
        look_at_all = now - self._looked_at_all >= _ALL_EVERY
        look_at_new = now - self._looked_at_new >= _NEW_EVERY
        if look_at_all:
            await self._indexing.drop_gone()
            after = 0
        elif look_at_new:
            after = await self._store.read(index.watermark)
        else:
            after = max(first_at(self._store.clock.now() - _LATELY), await self._store.read(index.watermark))
        self.indexed += await self._indexing.bring_up(after)
        if look_at_all:
            self._looked_at_all = now
        if look_at_all or look_at_new:
            self._looked_at_new = now
        while await self._indexing.join():
            pass

    async def _rest(self) -> None:
        if self._stopping:
            raise Stopping
        worked = self._timer.seconds() - self._worked_until
        rested: Deferred[None] = Deferred()
        busy = await self._store.read(partial(index.is_busy, since=self._store.clock.now() - _BUSY_WITHIN, than=_BUSY))
        self._timer.callLater(max(worked, 0.01) * (_REST_WHEN_BUSY if busy else _REST), rested.callback, None)
        await rested
        self._worked_until = self._timer.seconds()
