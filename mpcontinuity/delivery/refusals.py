"""Refusals as tracking shows them: gathered, and written when there is time.

Nobody waits for these rows: a client is refused at once, and a flood of refusals costs one transaction per GATHER. What
goes beyond the rations of a host has no row and no line of its own in the log, and so do sessions that led to nothing,
at every door: a line a minute says how many.
"""

from __future__ import annotations

from functools import partial

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.rations import Rations
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import STEP, NewRow, record_all

GATHER = 0.2  # seconds
MOST = 10 * STEP  # rows that may wait; what comes beyond is counted and logged only
SAY = 60.0  # seconds between two lines about those that were only counted
_NAMED = 10  # hosts in such lines

_log = Logger()


class Refusals:
    """The refusals of one process that wait to be written. It lives in the reactor thread."""

    def __init__(self, store: Store, timer: Timer, rations: Rations) -> None:
        self._store = store
        self._timer = timer
        self._rations = rations
        rations.counts = self._say_soon
        self._saying: Alarm | None = None
        self._rows: list[NewRow] = []
        self._alarm: Alarm | None = None
        self._dropped = 0

    def singly(self, peer: str) -> bool:
        """Counts one more refusal of what that client sent; returns whether it is written down and logged by itself."""
        return self._rations.share_of(peer).refusal()

    def _say_soon(self) -> None:
        if self._saying is None:
            self._saying = self._timer.callLater(SAY, self._say)

    def _say(self) -> None:
        self._saying = None
        counted = self._rations.counted
        for host, count in counted.most_common(_NAMED):
            _log.info("{count} more refusals to {host}, or sessions with it, are counted only", count=count, host=host)
        if len(counted) > _NAMED:
            _log.info(
                "refusals to {count} more hosts, or sessions with them, are counted only", count=len(counted) - _NAMED
            )
        counted.clear()

    def add(self, row: NewRow) -> None:
        """Has the row written within GATHER seconds, or drops it where MOST wait already."""
        if len(self._rows) >= MOST:
            self._dropped += 1
            return
        self._rows.append(
            msgspec.structs.replace(row, id=self._store.identifiers.next())
        )  # `track` lists by it, newest first
        if self._alarm is None:
            self._alarm = self._timer.callLater(GATHER, self._write)

    def stop(self) -> Deferred[None]:
        """Writes what waits; the Deferred fires when that is done."""
        if self._saying is not None:
            self._saying.cancel()
            self._say()
        if self._alarm is None:
            return succeed(None)
        self._alarm.cancel()
        return self._write()

    def _write(self) -> Deferred[None]:
        self._alarm = None
        if self._dropped:
            _log.warn("{count} refusals are not in tracking: too many at once", count=self._dropped)
            self._dropped = 0
        rows, self._rows = self._rows, []
        done: Deferred[None] = Deferred()
        self._write_step(rows, done)
        return done

    def _write_step(self, rows: list[NewRow], done: Deferred[None]) -> None:
        if not rows:
            done.callback(None)
            return
        written = self._store.run(partial(record_all, rows=rows[:STEP]), bulk=True)
        written.addErrback(self._failed)
        written.addCallback(lambda _: self._write_step(rows[STEP:], done))

    def _failed(self, failure: Failure) -> None:
        _log.warn("refusals are not in tracking: {failure}", failure=failure.getErrorMessage(), often=True)
