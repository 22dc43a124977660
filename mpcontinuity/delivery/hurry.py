"""Waiting for home's reply to a message ends early where the server stops (contract: exit within 10 s)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.model.reply import Outcome, Stage, Verdict

STOPPED = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "we stopped before the reply to the message")


class Hurry:
    """Of one process: `begin` makes every answer that is awaited, now or later, DOUBTFUL."""

    def __init__(self) -> None:
        self._waiting: set[Deferred[Outcome]] = set()
        self._begun = False

    def wait(self, answer: Deferred[Outcome]) -> Deferred[Outcome]:
        """What ``answer`` fires with, or DOUBTFUL when we stop; ``answer`` then lives on and has a value still."""
        result: Deferred[Outcome] = Deferred()
        self._waiting.add(result)

        def fired(outcome: Outcome) -> Outcome:
            if result in self._waiting:
                self._waiting.discard(result)
                result.callback(outcome)
            return outcome

        answer.addCallback(fired)
        if self._begun:
            self.begin()
        return result

    def begin(self) -> None:
        self._begun = True
        while self._waiting:
            self._waiting.pop().callback(STOPPED)
