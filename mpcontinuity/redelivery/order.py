"""Whose message is sent next, and which of theirs.

Users take turns, weighed by what they send, and of each the oldest message goes first, never two at once. Small ones go
before huge ones within a window. Whoever was tried in vain comes behind the others.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import Counter
from collections.abc import Iterable

from mpcontinuity.queue.due import Due

HUGE = 1 << 20  # octets: what takes seconds on the line of an office, and counts as so many turns as it has of these
WINDOW = 20  # small messages of a user that go before an older huge one of theirs; then that has its turn
KEPT = 2 * WINDOW  # messages of one user in memory, so that one who has thousands hides nobody

User = int | str


class _Waiting:
    """What waits of one user, by age."""

    def __init__(self) -> None:
        self.small: list[Due] = []
        self.huge: list[Due] = []
        self.overtaken = 0  # small ones that went before the oldest huge one, though they are younger

    def __len__(self) -> int:
        return len(self.small) + len(self.huge)

    def rows(self) -> list[Due]:
        return [*self.small, *self.huge]

    def add(self, row: Due) -> None:
        insort(self.huge if row.size > HUGE else self.small, row, key=lambda each: each.id)

    def youngest(self) -> Due:
        return max(self.small[-1:] + self.huge[-1:], key=lambda each: each.id)

    def drop(self, row: Due) -> None:
        (self.huge if row.size > HUGE else self.small).remove(row)

    @property
    def _huge_is_next(self) -> bool:
        if not self.small or not self.huge:
            return not self.small
        return self.huge[0].id < self.small[0].id and self.overtaken >= WINDOW

    def next(self) -> Due:
        return (self.huge if self._huge_is_next else self.small)[0]

    def take(self) -> Due:
        if self._huge_is_next:
            self.overtaken = 0
            return self.huge.pop(0)
        row = self.small.pop(0)
        if self.huge and self.huge[0].id < row.id:
            self.overtaken += 1
        return row


class Order:
    """Rows that are due, by user. A user of whom a message is under way is left out until `done`."""

    def __init__(self) -> None:
        self._waiting: dict[User, _Waiting] = {}
        self._ids: set[int] = set()
        self._busy: set[User] = set()
        # Who has more that is due than is in memory, and the id from which on it was left out.
        self._more: dict[User, int] = {}
        self._vain: Counter[User] = Counter()  # tries in vain, since home last took a message of that user
        # Tries in vain, turn, id of the next row, tie-breaker, of each user who is free. So the tries of a home that
        # takes nothing go round the users, and one mailbox that fails holds up no other. Turns are start-time fair
        # queueing: one begins where the user's last has ended, but not before the present one.
        self._heads: list[tuple[int, int, int, int, User]] = []
        self._turn = 0
        self._ends: dict[User, int] = {}
        self._entered = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, rows: Iterable[Due]) -> None:
        """Takes in rows. Those that are known already are ignored, and of each user the oldest KEPT are kept; what is
        left out is read later (`short`)."""
        for row in sorted(rows, key=lambda row: row.id):
            if row.id in self._ids or row.id >= self._more.get(row.user, row.id + 1):
                continue
            waiting = self._waiting.setdefault(row.user, _Waiting())
            new = not waiting
            waiting.add(row)
            self._ids.add(row.id)
            if len(waiting) > KEPT:
                left_out = waiting.youngest()
                waiting.drop(left_out)
                self._ids.discard(left_out.id)
                self._more[row.user] = left_out.id
            if new and row.user not in self._busy:
                self._enter(row.user)

    def short(self) -> list[tuple[User, int]]:
        """Returns the users of whom less than a window is in memory though more is due, each with the id from which on
        it was left out."""
        return [(user, left_out) for user, left_out in self._more.items() if len(self._waiting.get(user, ())) < WINDOW]

    def refill(self, user: User, rows: Iterable[Due], rest: int | None) -> None:
        """Takes in rows of a user who was short, the oldest of what was left out.

        ``rest`` is the id from which on there may be more; None: there is no more.
        """
        self._more.pop(user, None)
        self.add(rows)
        if rest is not None:
            self._more.setdefault(user, rest)

    def take(self, count: int) -> list[Due]:
        """Takes out the next rows of up to ``count`` users who are free, and who are busy from now on."""
        taken: list[Due] = []
        while self._heads and len(taken) < count:
            _, turn, *_, user = heapq.heappop(self._heads)
            waiting = self._waiting[user]
            row = waiting.take()
            if not waiting:
                del self._waiting[user]
            self._ids.discard(row.id)
            self._busy.add(user)
            self._turn = max(self._turn, turn)
            self._ends[user] = turn + 1 + row.size // HUGE
            taken.append(row)
        return taken

    def done(self, user: User) -> None:
        """Notes that the user is free again."""
        self._busy.discard(user)
        if user in self._waiting:
            self._enter(user)
        elif self._ends.get(user, 0) <= self._turn:
            self._ends.pop(user, None)

    def took(self, user: User) -> None:
        """Notes that home took a message of this user."""
        self._vain.pop(user, None)

    def vain(self, user: User) -> int:
        """Notes that home did not take a message of this user; returns how often that was so in a row."""
        self._vain[user] += 1
        return self._vain[user]

    def put_off(self, user: User) -> None:
        """Forgets what waits of this user, who is busy: it is not due any more."""
        waiting = self._waiting.pop(user, None)
        self._more.pop(user, None)
        for row in waiting.rows() if waiting is not None else ():
            self._ids.discard(row.id)

    def clear(self) -> None:
        """Forgets what waits; who is busy stays so."""
        self._waiting.clear()
        self._ids.clear()
        self._heads.clear()
        self._more.clear()
        self._ends.clear()
        self._turn = 0

    def start_over(self) -> None:
        """Forgets what waits, and whose tries were in vain."""
        self.clear()
        self._vain.clear()

    def _enter(self, user: User) -> None:
        self._entered += 1
        turn = max(self._turn, self._ends.get(user, 0))
        heapq.heappush(self._heads, (self._vain.get(user, 0), turn, self._waiting[user].next().id, self._entered, user))
