"""Replies of home servers to complete messages that are awaited, and the end of all waiting when the server stops.

The server exits within 10 s (contract), while a home server may take minutes to answer a message.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.model.reply import Outcome, Stage, Verdict

STOPPED = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "we stopped before the reply to the message")


class AwaitedReplies:
    """The replies that the messages of one process wait for. It lives in the reactor thread."""

    def __init__(self) -> None:
        self._waiting: set[Deferred[Outcome]] = set()
        self._stopped = False

    def wait(self, reply: Deferred[Outcome]) -> Deferred[Outcome]:
        """Returns a Deferred that fires with what ``reply`` fires with, or with STOPPED once `stop_waiting` is called.

        In that case ``reply`` itself goes on, and still fires with home's late reply.
        """
        result: Deferred[Outcome] = Deferred()
        self._waiting.add(result)

        def fired(outcome: Outcome) -> Outcome:
            if result in self._waiting:
                self._waiting.discard(result)
                result.callback(outcome)
            return outcome

        reply.addCallback(fired)
        if self._stopped:
            self.stop_waiting()
        return result

    def stop_waiting(self) -> None:
        """Ends every wait with STOPPED: those under way now, and those that `wait` begins later."""
        self._stopped = True
        while self._waiting:
            self._waiting.pop().callback(STOPPED)
