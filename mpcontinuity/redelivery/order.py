"""Whose message is sent next.

It is the oldest, never two of one user at once, and whoever was tried in vain comes behind the others.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable

from mpcontinuity.queue.due import Due

User = int | str


class Order:
    """Rows that are due, by user. A user of whom a message is under way is left out until `done`."""

    def __init__(self) -> None:
        self._waiting: dict[User, deque[Due]] = {}
        self._ids: set[int] = set()
        self._busy: set[User] = set()
        self._vain: Counter[User] = Counter()  # tries in vain, since home last took a message of that user
        # Tries in vain, id of the oldest row, tie-breaker, of each user who is free. So the tries of a home that takes
        # nothing go round the users, and one mailbox that fails holds up no other.
        self._heads: list[tuple[int, int, int, User]] = []
        self._entered = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, rows: Iterable[Due]) -> None:
        """Takes in rows; those that are known already are ignored."""
        for row in sorted(rows, key=lambda row: row.id):
            if row.id in self._ids:
                continue
            self._ids.add(row.id)
            queue = self._waiting.get(row.user)
            if queue is not None:
                queue.append(row)
                continue
            self._waiting[row.user] = deque((row,))
            if row.user not in self._busy:
                self._enter(row.user, row.id)

    def take(self, count: int) -> list[Due]:
        """Takes out the oldest rows of up to ``count`` users who are free, and who are busy from now on."""
        taken: list[Due] = []
        while self._heads and len(taken) < count:
            *_, user = heapq.heappop(self._heads)
            queue = self._waiting[user]
            row = queue.popleft()
            if not queue:
                del self._waiting[user]
            self._ids.discard(row.id)
            self._busy.add(user)
            taken.append(row)
        return taken

    def done(self, user: User) -> None:
        """Notes that the user is free again."""
        self._busy.discard(user)
        queue = self._waiting.get(user)
        if queue:
            self._enter(user, queue[0].id)

    def took(self, user: User) -> None:
        """Notes that home took a message of this user."""
        self._vain.pop(user, None)

    def vain(self, user: User) -> int:
        """Notes that home did not take a message of this user; returns how often that was so in a row."""
        self._vain[user] += 1
        return self._vain[user]

    def put_off(self, user: User) -> None:
        """Forgets what waits of this user, who is busy: it is not due any more."""
        for row in self._waiting.pop(user, ()):
            self._ids.discard(row.id)

    def clear(self) -> None:
        """Forgets what waits; who is busy stays so."""
        self._waiting.clear()
        self._ids.clear()
        self._heads.clear()

    def start_over(self) -> None:
        """Forgets what waits, and whose tries were in vain."""
        self.clear()
        self._vain.clear()

    def _enter(self, user: User, head: int) -> None:
        self._entered += 1
        heapq.heappush(self._heads, (self._vain.get(user, 0), head, self._entered, user))
