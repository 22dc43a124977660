"""How many messages go home at once: from 1 upwards as long as home answers well, like TCP's slow start (design 12)."""

from __future__ import annotations

WELL = 5.0  # seconds: an answer that takes longer is no reason for more
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


class Ramp:
    """The width of one flow: how many messages may be under way, up to ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = 1.0
        self._threshold = float(most)
        self.wait = 0.0  # seconds until the next message is begun, after a throttle at a width of 1

    @property
    def width(self) -> int:
        """How many messages may be under way."""
        return int(self._width)

    def good(self, seconds: float) -> None:
        """Notes that home took a message and needed so many seconds for it."""
        self.wait = 0.0
        if seconds <= WELL:
            step = 1.0 if self._width < self._threshold else 1.0 / self._width
            self._width = min(self._width + step, float(self._most))

    def slow(self, *, throttled: bool) -> None:
        """Halves the width after a 4xx or no answer. ``throttled``: it is not about one mailbox, so at the narrowest
        we wait."""
        if throttled and self.width == 1:
            self.wait = min(self.wait * 2 or _FIRST_WAIT, _LONGEST_WAIT)
        self._threshold = self._width = max(self._width / 2, 1.0)
