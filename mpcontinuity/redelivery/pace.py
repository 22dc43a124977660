"""How many messages go to a home server at once, whichever of its domains they are of."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary

from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.server import Server
from mpcontinuity.redelivery.ramp import Ramp


class Sharer(Protocol):
    """Whoever shares a pace: the flush of one domain."""

    def wake(self) -> None:
        """Is called when there may be room for it."""
        ...


class Pace:
    """The pace of the flushes to one home server, which take turns."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.ramp = Ramp(most)
        self.unfinished: set[int] = set()  # domains whose owed mail has not all been tried since home is back
        self._under_way = 0
        self._waiting: list[Sharer] = []
        self._taken = 0  # times
        self._last: WeakKeyDictionary[Sharer, int] = WeakKeyDictionary()  # which of these was whose last

    def begin_anew(self) -> None:
        """Starts the ramp over, as after an outage."""
        self.ramp = Ramp(self._most)

    def room(self, sharer: Sharer) -> int:
        """Returns how many messages more may be begun. Where there is no room, the sharer is woken when there is."""
        room = self.ramp.width - self._under_way
        if room <= 0 and sharer not in self._waiting:
            self._waiting.append(sharer)
        return room

    def take(self, sharer: Sharer, count: int) -> None:
        """Notes that so many messages are begun, or are about to."""
        self._under_way += count
        self._taken += 1
        self._last[sharer] = self._taken

    def give(self, count: int) -> None:
        """Notes that so many messages have ended, or were not begun after all."""
        self._under_way -= count
        if count:
            waiting, self._waiting = self._waiting, []
            for sharer in sorted(waiting, key=lambda each: self._last.get(each, 0)):
                sharer.wake()


class Paces:
    """The paces of all home servers."""

    def __init__(self, connections: int) -> None:
        self._most = max(1, connections * 3 // 4)  # a quarter of the connections is left to new mail
        self._paces: WeakKeyDictionary[Server, Pace] = WeakKeyDictionary()

    def of(self, home: HomeServer) -> Pace:
        """Returns the pace of this home server."""
        pace = self._paces.get(home.server)
        if pace is None:
            pace = self._paces[home.server] = Pace(self._most)
        return pace
