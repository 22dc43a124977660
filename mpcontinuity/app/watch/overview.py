"""What metrics and health show of the database and its disk: read in the background, and a little old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from mpcontinuity.accounts import home_state
from mpcontinuity.app.watch.single_flight import SingleFlight
from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.timer import Timer
from mpcontinuity.queue.backlog import Backlog, backlog
from mpcontinuity.queue.outbound import Waiting, waiting
from mpcontinuity.store import revision
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

OLDEST: Final = 10.0  # s; below the usual interval of scrapes
_WITHIN = 2.0  # s

_log = Logger()


@dataclass(frozen=True, slots=True)
class State:
    """``read_at`` is in seconds of the timer."""

    schema: str
    paused: dict[int, str]  # why redelivery is paused, by domain, where it is
    backlogs: Sequence[Backlog]
    outbound: dict[int, Waiting]  # by domain
    disk_free: int  # octets
    read_at: float


class Overview:
    """``free`` gives the octets that are left on the disk, and may wait for it."""

    def __init__(self, store: Store, timer: Timer, free: Callable[[], int]) -> None:
        self._store = store
        self._timer = timer
        self._free = free
        self._reading: SingleFlight[State | None] = SingleFlight(self._read, timer, within=_WITHIN)
        self.last: State | None = None  # whatever its age

    async def get(self) -> State | None:
        """Returns a state that is at most OLDEST seconds old; None where the database or the disk do not answer in
        time.
        """
        if self.last is not None and self._timer.seconds() - self.last.read_at < OLDEST:
            return self.last
        return await self._reading.get()

    async def _read(self) -> State | None:
        try:
            free = await self._store.bodies.background(self._free)
            schema, paused, backlogs, outbound = await self._store.read(_look)
        except Stopping:
            return None
        except Exception as error:
            _log.error("the state of the store cannot be read: {error}", error=error)
            return None
        self.last = State(schema, paused, backlogs, outbound, free, self._timer.seconds())
        return self.last


def _look(tx: Transaction) -> tuple[str, dict[int, str], list[Backlog], dict[int, Waiting]]:
    return revision.recorded(tx), home_state.pauses(tx), backlog(tx), waiting(tx)
