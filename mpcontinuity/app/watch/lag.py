"""How late the reactor is, which every client waits for, whatever the reason; and how long its own turns take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from mpcontinuity.model.timer import Timer
from mpcontinuity.store.figures import LastMinute

_EVERY = 0.5  # s

# What one input may keep all others waiting (docs/decisions/0018).
LONGEST_TURN: Final = 0.050  # s


class Lag:
    """Calls itself twice a second, and measures how late that happens. ``total`` is the seconds of all looks."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._last_minute = LastMinute()
        self._alarm = timer.callLater(_EVERY, self._look, timer.seconds() + _EVERY)
        self.total = 0.0  # s, of all looks
        self.looks = 0

    def _look(self, due: float) -> None:
        now = self._timer.seconds()
        late = max(now - due, 0.0)
        self.total += late
        self.looks += 1
        self._last_minute.put(now, late, self._look)
        self._alarm = self._timer.callLater(_EVERY, self._look, now + _EVERY)

    def longest(self) -> float:
        """Returns the longest delay of the last minute in seconds."""
        return self._last_minute.longest(self._timer.seconds()).seconds

    def stop(self) -> None:
        """Ends the timer."""
        if self._alarm.active():
            self._alarm.cancel()


class Turns:
    """Measures the processor time of the reactor's thread from one look at its timers to the next: what everything took
    that came in one turn, and nothing of what the rest of the machine does.
    """

    def __init__(self, reactor: Any, processor: Callable[[], float] = time.thread_time) -> None:
        self.long = 0  # turns above LONGEST_TURN
        self._reactor = reactor
        self._processor = processor
        self._last_minute = LastMinute()
        self._before = -1.0  # the first turn has what was done before the reactor ran
        self._look = reactor.runUntilCurrent
        reactor.runUntilCurrent = self._turn

    def _turn(self) -> None:
        now = self._processor()
        took = now - self._before
        if self._before >= 0 and took > 0.001:
            self.long += took > LONGEST_TURN
            self._last_minute.put(self._reactor.seconds(), took, self._turn)
        self._before = now
        self._look()

    def longest(self) -> float:
        """Returns the longest turn of the last minute in seconds."""
        return self._last_minute.longest(self._reactor.seconds()).seconds

    def stop(self) -> None:
        """Leaves the reactor as it was."""
        self._reactor.runUntilCurrent = self._look
