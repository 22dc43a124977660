"""Who waits for a session.

They are served in turn, client host by client host, so that one with many connections costs others nothing, and in a
host's turn mailbox by mailbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import Generic, TypeVar

from mpcontinuity.model.timer import Alarm

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """Somebody who waits for a session.

    ``client`` is the host on whose behalf, empty for our own work; ``mailbox`` is the key of the recipient's address,
    empty where it does not matter. ``fresh``: it must be a session that nobody used before. ``gone`` tells whether it
    is of no use any more. ``opening``: seconds to wait while sessions are being opened and none is free.
    """

    wanted: T
    since: float
    client: str = ""
    mailbox: str = ""
    fresh: bool = False
    gone: Callable[[], bool] = lambda: False
    opening: float = inf
    crowded: bool = False  # it waits because others are served, and not for a session to be opened
    alarm: Alarm | None = None


@dataclass(slots=True)
class Waiting(Generic[T]):
    """All who wait for a session with one server. Those who want a fresh one had a session already and come first."""

    _again: deque[Waiter[T]] = field(default_factory=deque)
    # By client, whose turn it is first, and by mailbox, in the same way.
    _turns: dict[str, dict[str, deque[Waiter[T]]]] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def add(self, waiter: Waiter[T]) -> None:
        """Lets somebody wait."""
        if waiter.fresh:
            self._again.append(waiter)
        else:
            self._turns.setdefault(waiter.client, {}).setdefault(waiter.mailbox, deque()).append(waiter)
        self._count += 1

    def remove(self, waiter: Waiter[T]) -> bool:
        """Returns whether it waited."""
        queues = self._turns.get(waiter.client, {})
        queue = self._again if waiter.fresh else queues.get(waiter.mailbox, deque())
        try:
            queue.remove(waiter)
        except ValueError:
            return False
        self._count -= 1
        if not waiter.fresh and not queue:
            del queues[waiter.mailbox]
            if not queues:
                del self._turns[waiter.client]
        return True

    def next(self, held: Mapping[str, int], limit: int, *, used: bool, full: Collection[str] = ()) -> Waiter[T] | None:
        """Takes out whose turn it is, and who is served now; None: nobody may be.

        ``used``: what there is to give is not fresh. A client that holds its share of ``limit``, by ``held``, comes
        after those that do not. Whoever waits for one of the mailboxes ``full`` is passed over.
        """
        if self._again and not used:
            self._count -= 1
            return self._again.popleft()
        if not self._turns:
            return None
        share = self._share(held, limit)
        below = (client for client in self._turns if held.get(client, 0) < share)
        for client in chain(below, self._turns):
            mailbox = next((each for each in self._turns[client] if each not in full), None)
            if mailbox is not None:
                return self._take(client, mailbox)
        return None

    def _take(self, client: str, mailbox: str) -> Waiter[T]:
        """The first of these; both go behind the others."""
        queues = self._turns.pop(client)
        queue = queues.pop(mailbox)
        waiter = queue.popleft()
        if queue:
            queues[mailbox] = queue
        if queues:
            self._turns[client] = queues
        self._count -= 1
        return waiter

    def claims(self, held: Mapping[str, int], limit: int) -> tuple[int, dict[str, int]]:
        """Returns how many clients wait and hold less than their share, and how many sessions others hold above it."""
        if not self._turns:
            return 0, {}
        share = self._share(held, limit)
        needy = sum(held.get(client, 0) < share for client in self._turns)
        return needy, {client: count - share for client, count in held.items() if count > share}

    def _share(self, held: Mapping[str, int], limit: int) -> int:
        return max(1, limit // (len(self._turns) + sum(each not in self._turns for each in held)))

    def passed_over(self) -> None:
        """Notes that there was a session, and nobody who waits might have it."""
        for waiter in chain(self._again, *chain.from_iterable(queues.values() for queues in self._turns.values())):
            waiter.crowded = True

    def wants_fresh(self) -> bool:
        """Returns whether anybody waits who had a session already."""
        return bool(self._again)

    def clear(self) -> list[Waiter[T]]:
        """Takes out all of them, who wait no more."""
        waiting = (queue for queues in self._turns.values() for queue in queues.values())
        everybody = [*self._again, *chain.from_iterable(waiting)]
        self._again.clear()
        self._turns.clear()
        self._count = 0
        return everybody
