"""Counts what a flush has done, and writes it down every few seconds, so that all processes can tell (`status`)."""

from __future__ import annotations

from collections import deque
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.timer import Alarm
from mpcontinuity.queue import progress
from mpcontinuity.redelivery.environment import Task

EVERY = 5.0  # seconds; a flush that is over before is not written down at all, so it costs a single message nothing
_MEASURED = 13  # writes that the pace is measured over: a minute

_log = Logger()


class Reporter:
    """Says how far one flush has come. It lives in the reactor thread."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._store = task.environment.store
        self._timer = task.environment.timer
        self._alarm: Alarm | None = None
        self._begin()

    def _begin(self) -> None:
        self._began = 0
        self._done = self._noted = 0
        self._samples: deque[tuple[int, int]] = deque(maxlen=_MEASURED)  # time in µs, and how many were done

    def tried(self, *, taken: bool) -> None:
        """Notes that a message was tried, and whether home has taken it."""
        if not self._began:
            self._began = self._store.clock.now()
            self._samples.append((self._began, 0))
        self._done += taken
        if self._alarm is None and not self._task.stopping:
            self._alarm = self._timer.callLater(EVERY, self._write)

    async def over(self) -> None:
        """Notes that nothing is left to be tried. Raises Temporary."""
        self.stop()
        if len(self._samples) > 1:
            await self._store.run(partial(progress.over, domain=self._task.domain.id), bulk=True)
        self._begin()

    def stop(self) -> None:
        """Writes nothing more."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None

    def _write(self) -> None:
        self._alarm = None
        Deferred.fromCoroutine(self._note())

    async def _note(self) -> None:
        now, done = self._store.clock.now(), self._done
        self._samples.append((now, done))
        since, before = self._samples[0]
        more, self._noted = done - self._noted, done
        work = partial(
            progress.note,
            domain=self._task.domain.id,
            began=self._began,
            done=more,
            per_minute=(done - before) * MINUTE // max(now - since, SECOND),
            throttled=self._task.pace.throttled,
        )
        try:
            await self._store.run(work, bulk=True)
        except (Temporary, Stopping):
            self._noted -= more  # the next one tells of it
        except Exception:
            _log.failure("the progress of redelivery to {domain} is not noted", domain=self._task.domain.name)
