"""Whose message is next: the oldest, and never two of one user at once."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from mpcontinuity.queue.due import Due

User = int | str


class Order:
    """Rows that are due, by user. A user of whom a message is under way is left out until ``done``."""

    def __init__(self) -> None:
        self._waiting: dict[User, deque[Due]] = {}
        self._ids: set[int] = set()
        self._busy: set[User] = set()
        self._heads: list[
            tuple[int, int, User]
        ] = []  # id of the oldest row of each user who is free, tie-breaker, user
        self._entered = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, rows: Iterable[Due]) -> None:
        """Rows that are known already are ignored."""
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
        """The oldest rows of up to ``count`` users who are free, and who are busy from now on."""
        taken: list[Due] = []
        while self._heads and len(taken) < count:
            _, _, user = heapq.heappop(self._heads)
            queue = self._waiting[user]
            row = queue.popleft()
            if not queue:
                del self._waiting[user]
            self._ids.discard(row.id)
            self._busy.add(user)
            taken.append(row)
        return taken

    def done(self, user: User) -> None:
        self._busy.discard(user)
        queue = self._waiting.get(user)
        if queue:
            self._enter(user, queue[0].id)

    def clear(self) -> None:
        """Forgets what waits; who is busy stays so."""
        self._waiting.clear()
        self._ids.clear()
        self._heads.clear()

    def _enter(self, user: User, head: int) -> None:
        self._entered += 1
        heapq.heappush(self._heads, (head, self._entered, user))
