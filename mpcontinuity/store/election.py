"""What one process at a time does although several run: probing a home server, chores."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from twisted.internet.defer import Deferred, succeed


class Election(Protocol):
    """Decides which process does something that only one may do. It is named by a kind (``"prober"``) and a number."""

    alone: bool  # no other process can have the store open

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        """Fires with whether it is ours: until `release`, the loss of it (`on_lost`), or the end of the process.

        Where it is not, ask again now and then: nobody tells when another process gives it up.
        """
        ...

    def keep(self, kind: str, number: int) -> None:
        """Makes it ours where nobody else asks for it; after a loss, again as soon as that can be."""
        ...

    def release(self, kind: str, number: int) -> None:
        """Gives it up, if it is ours."""
        ...

    def held(self, kind: str, numbers: Collection[int]) -> Deferred[set[int]]:
        """Fires with those of the numbers that any process holds. Fails with Temporary where that cannot be told."""
        ...

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Has ``callback`` called in the reactor thread when all that was held is lost, with its connection."""
        ...


class Alone:
    """The election where there is no other process: everything is ours, for good."""

    alone = True

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        return succeed(True)

    def keep(self, kind: str, number: int) -> None: ...

    def release(self, kind: str, number: int) -> None: ...

    def held(self, kind: str, numbers: Collection[int]) -> Deferred[set[int]]:
        return succeed(set())

    def on_lost(self, callback: Callable[[], None]) -> None: ...
