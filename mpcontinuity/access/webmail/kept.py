"""What was read of messages, kept for a moment, so that a page, its frame and its files have a message read once.

Who asks for what is being read waits for the same answer. That a message could not be read is kept as well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.message.display.shown import Shortfall, Shown
from mpcontinuity.model.clock import SECOND, Clock

MOST: Final = 16 << 20  # octets of what was read, of all users together: the pages of the last minute
# For as long the frame and the files of a message do not try again what its page has found to be too much for a reader;
# the page itself does, since it may have been another's fault.
GIVEN_UP: Final = 60 * SECOND


class Unread(Exception):
    """Raised where no reader has read a message. ``why`` is ``busy`` or ``died``."""

    def __init__(self, why: Shortfall) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class _Read:
    """``shown`` is None where it died of the message. ``until`` is the time in µs that it counts; 0: for good."""

    shown: Shown | None
    until: int

    @property
    def weight(self) -> int:
        """About the octets of it in memory."""
        shown = self.shown
        if shown is None:
            return 4_000
        return 4_000 + 2 * (len(shown.html) + len(shown.text) + len(shown.css)) + 1_000 * len(shown.attachments)


@dataclass(slots=True)
class _UnderWay:
    reading: Deferred[Shown] | None = None
    waiting: list[Deferred[Shown]] = field(default_factory=list)


class Kept:
    """Keeps what was read, by keys that say all that it depends on. It lives in the reactor thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read: OrderedDict[Hashable, _Read] = OrderedDict()
        self._octets = 0
        self._under_way: dict[Hashable, _UnderWay] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[Shown]], *, anew: bool = False) -> Shown:
        """Returns what was read, or is being read, or what ``read`` finds. With ``anew``, what readers gave up on is
        tried again. Raises Unread, and what ``read`` raises."""
        kept = self._read.get(key)
        if kept is not None and self._counts(kept, anew=anew):
            self._read.move_to_end(key)
            if kept.shown is None:
                raise Unread("died")
            return kept.shown
        return await self._joined(key, read)

    def _counts(self, kept: _Read, *, anew: bool) -> bool:
        left = kept.until - self._clock.now()
        return not kept.until or (not anew and 0 < left <= GIVEN_UP)  # more is left where the clock went back

    async def _joined(self, key: Hashable, read: Callable[[], Awaitable[Shown]]) -> Shown:
        each = self._under_way.get(key)
        waits: Deferred[Shown] = Deferred()
        if each is not None:
            each.waiting.append(waits)
        else:
            each = self._under_way[key] = _UnderWay(waiting=[waits])
            each.reading = Deferred.fromCoroutine(self._reading(key, read))
            each.reading.addBoth(self._done, key, each)
        try:
            return await waits
        finally:
            if waits in each.waiting:  # whoever asked has gone
                each.waiting.remove(waits)
                if not each.waiting and each.reading is not None:
                    each.reading.cancel()

    async def _reading(self, key: Hashable, read: Callable[[], Awaitable[Shown]]) -> Shown:
        try:
            shown = await read()
        except Unread as unread:
            if unread.why == "died":
                self._keep(key, _Read(None, self._clock.now() + GIVEN_UP))
            raise
        given_up = "died" in shown.shortfalls
        self._keep(key, _Read(shown, self._clock.now() + GIVEN_UP if given_up else 0))
        return shown

    def _done(self, result: Any, key: Hashable, each: _UnderWay) -> None:
        if self._under_way.get(key) is each:
            del self._under_way[key]
        waiting, each.waiting = each.waiting, []
        for one in waiting:
            if isinstance(result, Failure):
                one.errback(result)
            else:
                one.callback(result)

    def _keep(self, key: Hashable, read: _Read) -> None:
        if key in self._read:
            self._octets -= self._read.pop(key).weight
        self._read[key] = read
        self._octets += read.weight
        while self._octets > MOST:
            _, dropped = self._read.popitem(last=False)
            self._octets -= dropped.weight
