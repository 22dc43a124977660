"""Sessions with home servers that wait for our clients: lent for seconds only.

A home server grants us few sessions. One is taken at RCPT, and a client that is slow, or means ill, could hold it for
minutes; after LENT it goes back, and the recipients are asked for again when the message is complete.
"""

from __future__ import annotations

from collections.abc import Callable

from mpcontinuity.model.timer import Alarm, Timer

LENT = 2.0  # seconds


class Lending:
    """Of one process; in the reactor thread. One timer, however many are lent."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._lent: dict[object, tuple[float, Callable[[], None]]] = {}  # in the order of their ends
        self._alarm: Alarm | None = None

    def begin(self, borrower: object, take_back: Callable[[], None]) -> None:
        """The borrower waits for its client from now on."""
        self._lent.pop(borrower, None)
        self._lent[borrower] = (self._timer.seconds() + LENT, take_back)
        if self._alarm is None:
            self._alarm = self._timer.callLater(LENT, self._look)

    def end(self, borrower: object) -> None:
        """It goes on with home, or is done."""
        self._lent.pop(borrower, None)

    def _look(self) -> None:
        self._alarm = None
        now = self._timer.seconds()
        while self._lent:
            borrower, (until, take_back) = next(iter(self._lent.items()))
            if until > now:
                self._alarm = self._timer.callLater(until - now, self._look)
                return
            del self._lent[borrower]
            take_back()
