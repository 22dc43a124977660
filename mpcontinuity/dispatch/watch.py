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
    """``aside``: it goes on beside the lanes. ``changed`` is called when that begins.

    ``result`` is what became of the message. It is None where there was no room aside: the dialogue is broken off,
    which loses nothing, because its final dot was not sent.
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
        self.aside = False
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
        gives_up = self._progress.may_be_given_up and not self._shares.room_aside(self._share)
        self._shares.put_aside(self._share)  # also what is given up, until its socket is closed
        if gives_up:
            self.result.callback(None)
            self._progress.give_up()
        else:
            self.aside = True
            self._changed()

    def _ended(self, outcome: Attempts | Failure) -> Any:
        if self._alarm.active():
            self._alarm.cancel()
        else:
            self._shares.take_back(self._share)
        if not self.result.called:
            self.aside = False
            self.result.callback(outcome)
