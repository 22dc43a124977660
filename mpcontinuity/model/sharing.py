"""What has to hold for all processes that serve one store: they count together, one of them holds, all are told.

These three are all that doors and services know of other processes. What stands behind them lies in this process or in
the store today, and can lie elsewhere tomorrow without a change in who uses it; docs/decisions/0026 has a table of
what is shared, in which unit, and how each would move. What must be exact, such as a mailbox's quota or a session of
the web, is none of them: it is a row of the store, decided in the transaction that changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from mpcontinuity.model.events import Notice

Row = TypeVar("Row")
Holder = TypeVar("Holder", contravariant=True)


class Counting(Protocol[Row]):
    """Counts and rations of one process that add up with those of the others.

    Whoever counts or takes asks the object itself, which answers at once by what it knows, and never waits for another
    process. Now and then whoever exchanges the counts takes the ``news``, brings them to the others, and brings
    theirs: so what all processes let through together exceeds a limit by what they take between two exchanges.
    """

    def news(self, most: int) -> Sequence[Row]:
        """Returns what was counted since that was told last, for ``most`` of those who counted; now it is told."""
        ...

    def untold(self, news: Iterable[Row]) -> None:
        """Takes back ``news`` that could not be told: they are told another time."""
        ...

    def heard(self, rows: Iterable[Row]) -> None:
        """Takes in what other processes have counted. Rows that mean nothing here are left alone."""
        ...


class Holding(Protocol[Holder]):
    """Something that one session at a time may have, whichever process it is in."""

    async def take(self, whose: int, holder: Holder) -> bool:
        """Says whether ``holder`` has what is numbered ``whose``, until it releases that; it may wait for a while."""
        ...

    def release(self, whose: int, holder: Holder) -> None:
        """Gives back what ``holder`` has; does nothing where it has not, or no more."""
        ...


class Telling(Protocol):
    """Who is told of every change after it is durable, whichever process made it."""

    def listen(self, listener: Callable[[Sequence[Notice]], None]) -> None:
        """Calls ``listener`` in the reactor thread for each group of changes. `Everything`: some went unheard."""
        ...
