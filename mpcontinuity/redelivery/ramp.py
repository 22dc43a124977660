"""How many messages go home at once, and how many in a second: few at first, and more as long as home answers well.

Both grow as TCP's slow start does (design 12): twice as much in each round while nothing speaks against it, and by one
in each round after home has asked for less.
"""

from __future__ import annotations

from math import exp, inf, log

WELL = 5.0  # seconds: an answer that takes longer is no reason for more
FIRST_RATE = 20.0  # messages a second: a small office has its mail within seconds, and no cold server is flooded
SLOWEST = 1 / 30  # messages a second while home throttles: often enough to notice that it does so no longer
_ALONE = 1.0  # messages a second, at most, once home has throttled even one message at a time
_SPAN = 3.0  # seconds over which the rate that home bore is measured
_UNKNOWN = 2.0  # messages a second that home is thought to bear where nothing was measured
_FASTER = 1.25  # by which a rate below one or two a second grows with each message that home takes


class Ramp:
    """How much one home server is given: up to ``width`` messages at once, and ``rate`` of them begun in a second.

    Times are the timer's seconds.
    """

    def __init__(self, most: int) -> None:
        """``most`` is the greatest width."""
        self._most = most
        self._width = 1.0
        self._threshold = float(most)
        self.rate = FIRST_RATE
        self._rate_threshold = inf
        self._slowed = -inf
        self._taken = 0.0  # messages that home took, each counted less the longer ago it was
        self._last = -inf

    @property
    def width(self) -> int:
        """How many messages may be under way."""
        return int(self._width)

    def good(self, seconds: float, now: float) -> None:
        """Notes that home took a message at ``now`` and needed so many seconds for it."""
        self._taken = self._recent(now) + 1.0
        self._last = now
        if seconds > WELL:
            return
        step = 1.0 if self._width < self._threshold else 1.0 / self._width
        self._width = min(self._width + step, float(self._most))
        if self.rate < self._rate_threshold:
            self.rate += min(self.rate, log(2))  # as often as the rate says: twice as much in a second
        else:
            self.rate += min(self.rate * (_FASTER - 1), 1 / self.rate)

    def slow(self, began: float, now: float, *, throttled: bool) -> None:
        """Halves the width after a 4xx or no answer to a message that was begun at ``began``.

        With ``throttled``, where it is not about one mailbox, the rate becomes half of what home bore until then. What
        was under way when that was said the last time says nothing new about the rate.
        """
        if throttled and began >= self._slowed:
            borne = min(self.rate, max(self._recent(now) / _SPAN, _UNKNOWN))
            self.rate = max(min(borne / 2, _ALONE) if self.width == 1 else borne / 2, SLOWEST)
            self._rate_threshold = self.rate
            self._slowed = now
        self._threshold = self._width = max(self._width / 2, 1.0)

    def _recent(self, now: float) -> float:
        return self._taken * exp((self._last - now) / _SPAN) if self._taken else 0.0
