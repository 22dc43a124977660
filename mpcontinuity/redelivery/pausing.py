"""When a flush pauses, and when a paused one tries again: pure."""

from __future__ import annotations

import enum

from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.redelivery.replies import concerns_us

IN_A_ROW = 3


class Step(enum.Enum):
    """What an outcome means for the flush."""

    ON = "on"
    PAUSE = "pause"
    RESUME = "resume"


class Pausing:
    """Of one flush. ``reason`` is home's reply while it is paused, else empty."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.reason = ""
        self.interval = retry.first  # seconds until the next try of a paused flush
        self._refused: set[str] = set()
        self._closed = 0  # 421s in a row

    def pause(self, reason: str) -> None:
        self.reason = reason
        self.interval = self._retry.first
        self._start_over()

    def resume(self) -> None:
        self.reason = ""
        self._start_over()

    def tried(self) -> None:
        """A try of the paused flush changed nothing: the next one comes later."""
        self.interval = min(self.interval * 2, self._retry.longest)

    def judge(self, outcome: Outcome, recipient: str, *, trial: bool) -> Step:
        """``trial``: the attempt began while the flush was paused. Outcomes come as they are settled, in a row."""
        if outcome.verdict is Verdict.ACCEPTED:
            self._start_over()
            return Step.RESUME if self.reason and trial else Step.ON
        if self.reason:
            return Step.ON
        if outcome.verdict is Verdict.REFUSED:
            self._refused.add(recipient.lower())
        if outcome.reply is not None and outcome.reply.code == 421:
            self._closed += 1
        if concerns_us(outcome) or len(self._refused) >= IN_A_ROW or self._closed >= IN_A_ROW:
            return Step.PAUSE
        return Step.ON

    def _start_over(self) -> None:
        self._refused.clear()
        self._closed = 0
