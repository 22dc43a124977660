"""How many recipients a user may write to in an hour (``[limits] user_recipients_per_hour``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from mpcontinuity.model.clock import HOUR, MINUTE, Clock
from mpcontinuity.model.rations import Taken

KIND: Final = 100  # in the database, beside those of `rations.Kind`

_PARTS = HOUR // MINUTE
_OF_USER = "account "


class Recipients:
    """Counts the recipients of users of one process, and, where it is ``sharing``, of all: what one stolen password can
    do in an hour, not an account book. It is a `Counting` (model/sharing.py) of `Taken`.

    The hour slides, and is up to a minute longer. Memory: a counter per user and minute in which they wrote.
    """

    def __init__(self, per_hour: int, clock: Clock) -> None:
        self.per_hour = per_hour
        self.sharing = False
        self._clock = clock
        self._minutes: dict[int, Counter[int]] = {}  # minute -> account -> recipients
        self._taken: Counter[int] = Counter()
        self._news: Counter[int] = Counter()  # recipients that other processes have not heard of, by account

    def take(self, account: int) -> bool:
        """Takes one more recipient for a user. False: not in this hour."""
        minute = self._forget()
        if self._taken[account] >= self.per_hour:
            return False
        self._add(minute, account, 1)
        if self.sharing:
            self._news[account] += 1
        return True

    def give_back(self, account: int, count: int) -> None:
        """Gives back ``count`` recipients of a user, which got nothing after all.

        What other processes have heard of by then stays counted there.
        """
        untold = min(self._news[account], count)
        self._news[account] -= untold
        for minute in reversed(self._minutes):
            if count <= 0:
                break
            back = min(count, self._minutes[minute][account])
            self._minutes[minute][account] -= back
            self._taken[account] -= back
            count -= back

    def news(self, most: int) -> list[Taken]:
        """Returns what users took here since that was told last, of ``most`` users, those who took most first."""
        told = [(account, count) for account, count in self._news.most_common(most) if count > 0]
        if len(told) < most:
            self._news.clear()
        for account, _ in told:
            del self._news[account]
        return [Taken(f"{_OF_USER}{account}", KIND, count) for account, count in told]

    def untold(self, news: Iterable[Taken]) -> None:
        """Takes back news that could not be told."""
        for whose, kind, count in news:
            if kind == KIND:
                self._news[int(whose.removeprefix(_OF_USER))] += count

    def heard(self, rows: Iterable[Taken]) -> None:
        """Takes in what users took at other processes, as if it were in this minute."""
        minute = self._forget()
        for whose, kind, count in rows:
            if kind == KIND:
                self._add(minute, int(whose.removeprefix(_OF_USER)), count)

    def _add(self, minute: int, account: int, count: int) -> None:
        self._taken[account] += count
        self._minutes.setdefault(minute, Counter())[account] += count

    def _forget(self) -> int:
        """The minute it is; what is an hour old is gone."""
        now = self._clock.now() // MINUTE
        for minute in [one for one in self._minutes if not now - _PARTS <= one <= now]:
            self._taken.subtract(self._minutes.pop(minute))
            self._taken += Counter()
        return now
