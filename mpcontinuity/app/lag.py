"""How late the reactor is: what every client waits for, whatever the reason."""

from __future__ import annotations

from mpcontinuity.model.timer import Timer
from mpcontinuity.store.figures import LastMinute

_EVERY = 0.5  # s


class Lag:
    """A timer that looks how late it is called."""

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
        """Seconds, in the last minute."""
        return self._last_minute.longest(self._timer.seconds()).seconds

    def stop(self) -> None:
        if self._alarm.active():
            self._alarm.cancel()
