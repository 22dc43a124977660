"""Who waits for a session: served in turn, client host by client host, so that one with many connections costs others
nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mpcontinuity.model.timer import Alarm

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """``client``: the host on whose behalf, empty for our own work. ``fresh``: a session that nobody used before.
    ``gone``: whether it is of no use any more."""

    wanted: T
    since: float
    client: str = ""
    fresh: bool = False
    gone: Callable[[], bool] = lambda: False
    alarm: Alarm | None = None


@dataclass(slots=True)
class Waiting(Generic[T]):
    """Those who want a fresh session had one already and come first."""

    _again: deque[Waiter[T]] = field(default_factory=deque)
    _turns: dict[str, deque[Waiter[T]]] = field(default_factory=dict)  # by client, whose turn it is first
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def add(self, waiter: Waiter[T]) -> None:
        queue = self._again if waiter.fresh else self._turns.setdefault(waiter.client, deque())
        queue.append(waiter)
        self._count += 1

    def remove(self, waiter: Waiter[T]) -> bool:
        """False: it does not wait any more."""
        queue = self._again if waiter.fresh else self._turns.get(waiter.client, deque())
        try:
            queue.remove(waiter)
        except ValueError:
            return False
        self._count -= 1
        if not waiter.fresh and not queue:
            del self._turns[waiter.client]
        return True

    def next(self, held: Mapping[str, int], limit: int, *, used: bool) -> Waiter[T] | None:
        """Whose turn it is, and who is served now. ``used``: what there is to give is not fresh. A client that holds
        its share of ``limit``, by ``held``, comes after those that do not."""
        if self._again and not used:
            self._count -= 1
            return self._again.popleft()
        if not self._turns:
            return None
        share = self._share(held, limit)
        client = next((each for each in self._turns if held.get(each, 0) < share), next(iter(self._turns)))
        queue = self._turns.pop(client)
        waiter = queue.popleft()
        if queue:
            self._turns[client] = queue  # behind the others
        self._count -= 1
        return waiter

    def claims(self, held: Mapping[str, int], limit: int) -> tuple[int, dict[str, int]]:
        """How many clients wait and hold less than their share, and how many sessions others hold above theirs."""
        if not self._turns:
            return 0, {}
        share = self._share(held, limit)
        needy = sum(held.get(client, 0) < share for client in self._turns)
        return needy, {client: count - share for client, count in held.items() if count > share}

    def _share(self, held: Mapping[str, int], limit: int) -> int:
        return max(1, limit // (len(self._turns) + sum(each not in self._turns for each in held)))

    def wants_fresh(self) -> bool:
        return bool(self._again)

    def clear(self) -> list[Waiter[T]]:
        """All of them, who wait no more."""
        everybody = [*self._again, *(waiter for queue in self._turns.values() for waiter in queue)]
        self._again.clear()
        self._turns.clear()
        self._count = 0
        return everybody
