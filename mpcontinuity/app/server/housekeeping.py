"""Rounds of chores: one at the start, and then one every hour, or as often as is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.store.election import Election

_EVERY = 3600.0  # s
AGAIN = 60.0  # s, after a full disk, or a database that was away
_KIND = "chore"  # of election

_log = Logger()

Chore = Callable[[], Awaitable[object]]


class Housekeeping:
    """Does its chores one after the other. One that fails is logged and stops no other; one that another process is at
    now is left to that.
    """

    def __init__(
        self, timer: Timer, election: Election, chores: Sequence[tuple[str, Chore]], *, every: float = _EVERY
    ) -> None:
        """``chores`` are names with functions, and ``every`` the seconds from the end of a round to the next.
        ``election`` says which process does a chore.
        """
        self._timer = timer
        self._every = every
        self._election = election
        self._chores = chores
        self._alarm: Alarm | None = None
        self._stopped = False

    def start(self) -> None:
        """Begins a round."""
        Deferred.fromCoroutine(self._round())

    def stop(self) -> None:
        """Begins no chore any more; one that is under way goes on."""
        self._stopped = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()

    async def _round(self) -> None:
        wait = self._every
        for name, chore in self._chores:
            if self._stopped:
                return
            try:
                await self._do(name, chore)
            except Stopping:
                return
            except Temporary as error:
                wait = min(wait, AGAIN)
                _log.warn("housekeeping, {chore}: {error}", chore=name, error=error)
            except Exception:
                _log.failure("housekeeping failed: {chore}", chore=name)
        if not self._stopped:
            self._alarm = self._timer.callLater(wait, self.start)

    async def _do(self, name: str, chore: Chore) -> None:
        kind = f"{_KIND} {name}"
        if await self._election.hold(kind, 0):
            try:
                await chore()
            finally:
                self._election.release(kind, 0)
