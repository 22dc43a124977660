"""How long a message may hold up the client that brings it, while the other server is asked."""

from __future__ import annotations

from math import inf

from mpcontinuity.model.timer import Timer

# Seconds that each recipient after the first may take for nothing: a client that names a thousand expects to wait.
FREE = 1.0


class Holding:
    """The seconds that one message may still wait for the server, over all its commands. It runs while the client
    waits, and not while the client talks, nor in the queue for a session with a server that serves others."""

    def __init__(self, timer: Timer, seconds: float = inf) -> None:
        self._timer = timer
        self._left = seconds
        self._begun: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is a bound at all: nobody waits for what is redelivered."""
        return self._left != inf

    @property
    def left(self) -> float:
        """The seconds that are left, 0 where none are."""
        return max(self._left - (self._passed() if self._begun is not None else 0.0), 0.0)

    @property
    def over(self) -> bool:
        """Whether the message has waited for as long as it may."""
        return self.left <= 0.0

    def begins(self) -> None:
        """Notes that the client begins to wait."""
        self._begun = self._timer.seconds()

    def ends(self, free: float = 0.0) -> None:
        """Notes that the client has its answer; ``free`` seconds of the time since `begins` do not count."""
        if self._begun is not None:
            self._left -= max(self._passed() - free, 0.0)
            self._begun = None

    def forgive(self, seconds: float) -> None:
        """Leaves out seconds in which the server could do nothing about it."""
        self._left += seconds

    def _passed(self) -> float:
        return self._timer.seconds() - (self._begun or 0.0)
