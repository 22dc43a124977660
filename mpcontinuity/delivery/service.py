"""What all inbound transactions of a process share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.delivery.answered import Answered
from mpcontinuity.delivery.awaited import AwaitedReplies
from mpcontinuity.delivery.newcomers import Newcomers
from mpcontinuity.delivery.refusals import Refusals
from mpcontinuity.delivery.reservations import Reservations
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.settings import Limits
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.store.store import Store
from mpcontinuity.verdicts.service import Verdicts

# What becomes of a message for one recipient: in the log, and counted in `Delivery.outcomes`.
PASSED = "passed on"
REDIRECTED = "redirected"
IN_DOUBT = "redirected in doubt"
KEPT = "kept"  # for the administrators
REJECTED = "rejected"  # 5xx
DEFERRED = "deferred"  # 4xx: the sender tries again
REPEATED = "repeated"  # answered 250 before, and not taken twice

STORE_AGAIN = 5.0  # seconds, after a failure of the store

_log = Logger()


def refused(reply: Reply) -> str:
    """Returns what a refusal is counted as."""
    return REJECTED if reply.permanent else DEFERRED


class Delivery:
    """What every `Incoming` of a process is given.

    ``unrecorded`` counts messages that home took and our commit failed for, ``outcomes`` recipients by what became of
    the message for them. ``retry_after`` is in µs, until home is tried again with what it did not take. ``rations`` are
    those of the doors.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        homes: HomeServers,
        *,
        hostname: str,
        limits: Limits,
        timer: Timer,
        retry_after: int,
        rations: Rations | None = None,
    ) -> None:
        self.store = store
        self.directory = directory
        self.homes = homes
        self.hostname = hostname
        self.limits = limits
        self.answered = Answered(store, timer)
        self.rations = rations or Rations(limits, timer.seconds)
        self.refusals = Refusals(store, timer, self.rations)
        self.reservations = Reservations(timer)
        self.awaited = AwaitedReplies()
        self.newcomers = Newcomers(store, timer)
        self.verdicts: Verdicts | None = None  # None: nothing is checked
        self._timer = timer
        self.retry_after = retry_after
        self.unrecorded = 0
        self.outcomes = Counter(dict.fromkeys((PASSED, REDIRECTED, IN_DOUBT, KEPT, REJECTED, DEFERRED, REPEATED), 0))

    def not_recorded(self, message: str, error: Exception) -> None:
        """Counts a message that home has and our store could not note. The client gets its 250, and the outcome in
        the pack repairs the index at the next start."""
        self.unrecorded += 1
        _log.critical(
            "was taken by its home server, but the store failed: {error}", message=message, error=error, often=True
        )

    def insist(self, message: str, work: Callable[[], Deferred[Any]]) -> None:
        """Tries ``work``, which writes what home said late, until the store takes it: the message would go there again
        else.

        Where we stop before it is written, the row is in doubt at the next start.
        """
        work().addErrback(self._not_noted, message, work)

    def _not_noted(self, failure: Failure, message: str, work: Callable[[], Deferred[Any]]) -> None:
        if isinstance(failure.value, Stopping):
            return
        _log.warn("home's late reply is not noted: {error}", message=message, error=failure.value)
        if isinstance(failure.value, Temporary):
            self._timer.callLater(STORE_AGAIN, self.insist, message, work)

    async def stop(self) -> None:
        """Writes what nobody waited for; call it after the last session."""
        await _all(self.refusals.stop(), self.answered.stop())


async def _all(*deferreds: Deferred[None]) -> None:
    for deferred in deferreds:
        await deferred
