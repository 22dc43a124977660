"""How many recipients a user may write to in an hour (``[limits] user_recipients_per_hour``)."""

from __future__ import annotations

from collections import Counter

from mpcontinuity.model.clock import HOUR, MINUTE, Clock

_PARTS = HOUR // MINUTE


class Quota:
    """Of one process, in memory: what one stolen password can do in an hour, not an account book.

    A sliding hour, up to a minute longer. Memory: a counter per user and minute in which they wrote.
    """

    def __init__(self, per_hour: int, clock: Clock) -> None:
        self.per_hour = per_hour
        self._clock = clock
        self._minutes: dict[int, Counter[int]] = {}  # minute -> account -> recipients
        self._taken: Counter[int] = Counter()

    def take(self, account: int) -> bool:
        """One more recipient; False: not in this hour."""
        minute = self._forget()
        if self._taken[account] >= self.per_hour:
            return False
        self._taken[account] += 1
        self._minutes.setdefault(minute, Counter())[account] += 1
        return True

    def give_back(self, account: int, count: int) -> None:
        """They got nothing after all."""
        for minute in reversed(self._minutes):
            if count <= 0:
                break
            back = min(count, self._minutes[minute][account])
            self._minutes[minute][account] -= back
            self._taken[account] -= back
            count -= back

    def _forget(self) -> int:
        """The minute it is; what is an hour old is gone."""
        now = self._clock.now() // MINUTE
        for minute in [one for one in self._minutes if not now - _PARTS <= one <= now]:
            self._taken.subtract(self._minutes.pop(minute))
            self._taken += Counter()
        return now
