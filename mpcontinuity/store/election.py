"""What one process at a time does although several run: probing a home server, chores."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from twisted.internet.defer import Deferred, succeed


class Election(Protocol):
    """Something is named by a kind (``"prober"``) and a number (the domain's id)."""

    alone: bool  # no other process can have the store open

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        """Whether it is ours: until `release`, the loss of it (`on_lost`), or the end of the process.

        To be asked again now and then where it is not: nobody tells when another process gives it up.
        """
        ...

    def keep(self, kind: str, number: int) -> None:
        """Ours, since nobody else asks for it: also again after a loss, as soon as that can be."""
        ...

    def release(self, kind: str, number: int) -> None: ...

    def held(self, kind: str, numbers: Collection[int]) -> Deferred[set[int]]:
        """Those that any process holds. Fails with Temporary where that cannot be told."""
        ...

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Called in the reactor thread when all that was held is lost, with the connection that held it."""
        ...


class Alone:
    """There is no other process: everything is ours, for good."""

    alone = True

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        return succeed(True)

    def keep(self, kind: str, number: int) -> None: ...

    def release(self, kind: str, number: int) -> None: ...

    def held(self, kind: str, numbers: Collection[int]) -> Deferred[set[int]]:
        return succeed(set())

    def on_lost(self, callback: Callable[[], None]) -> None: ...
