"""How fast messages go to a home server, whichever of its domains they are of."""

from __future__ import annotations

from math import inf
from typing import Protocol
from weakref import WeakKeyDictionary

from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.server import Server
from mpcontinuity.redelivery.ramp import Ramp

_REMEMBERED = 60.0  # seconds for which a throttle is told of; longer where the next message is farther away


class Sharer(Protocol):
    """Whoever shares a pace: the flush of one domain."""

    def wake(self) -> None:
        """Is called when there may be room for it."""
        ...


class Pace:
    """The pace of the flushes to one home server, which take turns."""

    def __init__(self, most: int, timer: Timer) -> None:
        self._most = most
        self._timer = timer
        self.unfinished: set[int] = set()  # domains whose owed mail has not all been tried since home is back
        self._under_way = 0
        self._waiting: list[Sharer] = []
        self._turns = 0
        self._last: WeakKeyDictionary[Sharer, int] = WeakKeyDictionary()  # which of these was whose last
        self._alarm: Alarm | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Starts the ramp over, as after an outage."""
        self._ramp = Ramp(self._most)
        self._leave = self._ramp.rate  # how many messages may be begun now
        self._counted = self._timer.seconds()
        self._throttled, self._throttled_at = "", -inf

    def room(self, sharer: Sharer) -> int:
        """Returns how many messages more may be begun. Where there is no room, the sharer is woken when there is."""
        self._count()
        room = min(self._ramp.width - self._under_way, int(self._leave))
        if room <= 0:
            if sharer not in self._waiting:
                self._waiting.append(sharer)
            if self._ramp.width > self._under_way:
                self._wake_in(max((1.0 - self._leave) / self._ramp.rate, 0.0))
        return room

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None and self._alarm.active():
            if self._alarm.getTime() <= self._timer.seconds() + seconds:
                return
            self._alarm.cancel()  # it was set when home had throttled
        self._alarm = self._timer.callLater(seconds, self._wake)

    def take(self, sharer: Sharer, count: int) -> None:
        """Notes that so many messages are begun, or are about to."""
        self._under_way += count
        self._leave -= count
        self._turns += 1
        self._last[sharer] = self._turns

    def give_back(self, count: int) -> None:
        """Notes that so many messages were not begun after all."""
        self._leave += count
        self.give(count)

    def give(self, count: int) -> None:
        """Notes that so many messages have ended."""
        self._under_way -= count
        if count:
            self._wake()

    def good(self, seconds: float) -> None:
        """Notes that home took a message, and needed so many seconds for it."""
        self._count()
        self._ramp.good(seconds, self._timer.seconds())

    def slow(self, began: float, throttle: str) -> None:
        """Slows down after a 4xx or no answer to a message that was begun at ``began``.

        ``throttle`` is what home said where that is not about one mailbox; empty where it is.
        """
        now = self._timer.seconds()
        self._ramp.slow(began, now, throttled=bool(throttle))
        if throttle:
            self._leave, self._counted = 0.0, now
            self._throttled, self._throttled_at = throttle, now

    @property
    def throttled(self) -> str:
        """What home said when it asked for less, as long as that is still felt; empty where it does not."""
        lasts = max(_REMEMBERED, 3 / self._ramp.rate)
        return self._throttled if self._timer.seconds() - self._throttled_at < lasts else ""

    def _count(self) -> None:
        """Adds what may be begun since it was counted last: no more than the rate of one second at once."""
        now = self._timer.seconds()
        most = max(self._ramp.rate, 1.0)
        # Waiting for one whole message ends a little early by the rounding of floats, or never.
        self._leave = min(self._leave + (now - self._counted) * self._ramp.rate + 1e-9, most)
        self._counted = now

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sharer in sorted(waiting, key=lambda each: self._last.get(each, 0)):
            sharer.wake()


class Paces:
    """The paces of all home servers."""

    def __init__(self, connections: int, timer: Timer) -> None:
        self._most = max(1, connections * 3 // 4)  # a quarter of the connections is left to new mail
        self._timer = timer
        self._paces: WeakKeyDictionary[Server, Pace] = WeakKeyDictionary()

    def of(self, home: HomeServer) -> Pace:
        """Returns the pace of this home server."""
        pace = self._paces.get(home.server)
        if pace is None:
            pace = self._paces[home.server] = Pace(self._most, self._timer)
        return pace
