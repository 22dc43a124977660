"""Time and randomness that a test holds in its hand."""

from __future__ import annotations

import random

from twisted.internet.task import Clock

from mpcontinuity.model.clock import SECOND

START = 1_790_000_000 * SECOND  # 2026-09-21T13:33:20Z


class ManualClock(Clock):
    """Both clocks in one: Twisted's ``IReactorTime`` for what waits, and ``now()`` for what is written down."""

    def __init__(self, start: int = START) -> None:
        super().__init__()
        self._start = start
        self.jumped: float | None = None  # when the clock did, which the test says and does itself

    def now(self) -> int:
        """Microseconds since 1970; moves with ``advance(seconds)``."""
        return self._start + round(self.seconds() * SECOND)

    def jump(self, seconds: float) -> None:
        """The time of day is set; what waits goes on waiting."""
        self._start += round(seconds * SECOND)

    def trusted(self, span: int) -> bool:
        return self.jumped is None or self.seconds() - self.jumped >= span / SECOND


class SeededRandomness:
    """Randomness that replays."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)
