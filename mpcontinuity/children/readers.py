"""Reader processes: they read messages of strangers for whoever is shown them. One user's bombs keep no other waiting.

They are a pool of their own, begun by the server and replaced when they end. Of one user, one message is read at a
time, and who waits is served in turn.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred

from mpcontinuity.children.pool import Children, Died, Jobs
from mpcontinuity.message.display.work import KIND
from mpcontinuity.model.timer import Alarm, Timer

MOST: Final = 2  # reader processes, of 60 MiB each without work
# s by the clock for one message, those not counted in which it is fetched. What bounds it is its 2 s of processor time
# (reader.py): where eight processes compute beside it on two cores, a reader has a twelfth of one.
WITHIN: Final = 15.0
MOST_WAITING: Final = 64  # messages in all: with 20 ms for an ordinary one they are read within a second
MOST_WAITING_EACH: Final = 4  # of one user: a page, its frame and another window of the same
PATIENCE: Final = 5.0  # s that somebody waits for their turn: on a busy machine, too, most is read by then

Pieces = Callable[[], AsyncGenerator[bytes, None]]


class Busy(Exception):
    """Raised where too much is to be read at the time."""


def pool(reactor: Any) -> Children:
    """Returns the pool of reader processes; `Children.keep` begins them."""
    return Children(
        reactor,
        most=MOST,
        within=WITHIN,
        whole=WITHIN,
        idle=float("inf"),
        program=("mpcontinuity.children.reader", KIND),
        announces=True,
    )


class Readers:
    """Has messages read, by ``jobs``, and shares these among who waits."""

    def __init__(self, jobs: Jobs, timer: Timer, *, most: int = MOST) -> None:
        self._jobs = jobs
        self._timer = timer
        self._most = most
        self._reading: set[object] = set()  # for whom
        self._waiting: OrderedDict[object, deque[Deferred[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many messages wait to be read."""
        return sum(map(len, self._waiting.values()))

    async def ask(self, whom: object, argument: bytes, question: bytes, content: Pieces) -> bytes:
        """Returns what a reader process says of a message.

        ``whom`` is the id of the user for whom it is read, ``argument`` and ``question`` are those of
        message/display/work.py. ``content`` gives the message in pieces of `PIECE` at most. Raises Busy where too much
        is to be read, and Died where the process that reads has ended; besides what ``content`` raises.
        """
        await self._turn(whom)
        try:
            job = await self._jobs.begin(KIND, argument)
            try:
                async with aclosing(content()) as pieces:
                    async for piece in pieces:
                        if not await job.feed(piece):
                            break
                return await job.ask(question)
            finally:
                job.close()
        finally:
            self._reading.discard(whom)
            self._next()

    async def _turn(self, whom: object) -> None:
        if whom not in self._reading and len(self._reading) < self._most and not self._waiting:
            self._reading.add(whom)
            return
        own = self._waiting.get(whom, ())
        if len(own) >= MOST_WAITING_EACH or self.waiting >= MOST_WAITING:
            raise Busy
        turn: Deferred[None] = Deferred()
        self._waiting.setdefault(whom, deque()).append(turn)
        alarm: Alarm = self._timer.callLater(PATIENCE, turn.cancel)
        self._next()
        try:
            await turn
        except CancelledError:
            raise Busy from None
        finally:
            if alarm.active():
                alarm.cancel()
            self._forget(whom, turn)

    def _forget(self, whom: object, turn: Deferred[None]) -> None:
        own = self._waiting.get(whom)
        if own is not None and turn in own:
            own.remove(turn)
            if not own:
                del self._waiting[whom]

    def _next(self) -> None:
        """Whoever waits longest and for whom nothing is read yet; then they stand behind all others."""
        for whom in list(self._waiting):
            if len(self._reading) >= self._most:
                return
            if whom in self._reading:
                continue
            own = self._waiting[whom]
            turn = own.popleft()
            if own:
                self._waiting.move_to_end(whom)
            else:
                del self._waiting[whom]
            self._reading.add(whom)
            turn.callback(None)


__all__ = ["MOST", "Busy", "Died", "Pieces", "Readers", "pool"]
