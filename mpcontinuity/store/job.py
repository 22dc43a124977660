"""One transaction that waits to be executed: the unit that the writer of SQLite and the pool of PostgreSQL take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from mpcontinuity.model.events import Notice

ALONE: Final = object()  # the item of work that is not done together with that of others


class Job:
    """A piece of work to be done in a transaction, its outcome, and the Deferred of the caller who waits for that.

    Without an ``item`` the work is called with the transaction and returns the job's value. With one it is called with
    the transaction and a list of the items of all jobs that wait together and have the same work; it returns their
    values, in that order. ``bulk`` work waits for other work. Once its fate is known, either ``error`` is set or
    ``value`` and ``notices`` are.
    """

    __slots__ = ("bulk", "deferred", "error", "item", "notices", "value", "work")

    def __init__(
        self, work: Callable[..., Any], deferred: Deferred[Any], *, item: object = ALONE, bulk: bool = False
    ) -> None:
        self.work = work
        self.item = item
        self.deferred = deferred
        self.bulk = bulk
        self.value: Any = None
        self.error: Exception | None = None
        self.notices: list[Notice] = []
