"""The one alarm of a connection: until when its client must have done something, and at last until when it has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mpcontinuity.model.timer import Alarm, Timer

# Seconds that a client has to take the last word and to close; then its connection is cut. A client that does not read
# would hold it for as long as TCP has patience.
LINGER: Final = 10.0


class Deadline:
    """Holds at most one alarm, because a connection waits for one thing at a time."""

    __slots__ = ("_alarm", "_timer")

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._alarm: Alarm | None = None

    def set(self, seconds: float, call: Callable[[], object]) -> None:
        """Makes ``call`` be called after ``seconds``, in place of what was set before."""
        self.clear()
        self._alarm = self._timer.callLater(seconds, call)

    def clear(self) -> None:
        """Takes back what was set; does nothing where it has been called already."""
        alarm, self._alarm = self._alarm, None
        if alarm is not None and alarm.active():
            alarm.cancel()
