"""One message on its way: whether the next host gives a sign within seconds, and what becomes of the lane if not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.dispatch.shares import PROMPT, Shares
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.world import Attempt, Progress

Attempts = Sequence[Attempt | None]


class Watch:
    """Watches the delivery of one message, and parks it when the next host gives no sign for PROMPT seconds.

    ``parked``: it goes on without a lane; ``changed`` is called when that begins. ``result`` fires with what became of
    the message, or with None where it could not be parked: the dialogue is broken off then, which loses nothing,
    because its final dot was not sent.
    """

    def __init__(
        self,
        delivery: Deferred[Attempts],
        progress: Progress,
        shares: Shares,
        share: int,
        timer: Timer,
        changed: Callable[[], None],
    ) -> None:
        self.result: Deferred[Attempts | None] = Deferred()
        self.parked = False
        self._progress = progress
        self._shares = shares
        self._share = share
        self._timer = timer
        self._changed = changed
        self._alarm = timer.callLater(PROMPT, self._look)
        delivery.addBoth(self._ended)

    def _look(self) -> None:
        left = self._progress.moved + PROMPT - self._timer.seconds()
        if left > 0:
            self._alarm = self._timer.callLater(left, self._look)
            return
        gives_up = self._progress.may_be_given_up and not self._shares.may_park(self._share)
        self._shares.park(self._share)  # also what is given up, until its socket is closed
        if gives_up:
            self.result.callback(None)
            self._progress.give_up()
        else:
            self.parked = True
            self._changed()

    def _ended(self, outcome: Attempts | Failure) -> Any:
        if self._alarm.active():
            self._alarm.cancel()
        else:
            self._shares.unpark(self._share)
        if not self.result.called:
            self.parked = False
            self.result.callback(outcome)
