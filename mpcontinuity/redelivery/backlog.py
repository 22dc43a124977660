"""What is owed to a domain and due, read from the table in pages and brought into the order in which it is sent."""

from __future__ import annotations

from collections.abc import Container
from functools import partial

from mpcontinuity.queue import due
from mpcontinuity.queue.due import Due
from mpcontinuity.redelivery.order import Order
from mpcontinuity.store.store import Store

_KNOWN = 50_000  # rows in memory, some 10 MB; those behind are read when these have become fewer


class Backlog:
    """The rows of one domain that are due. ``order`` has those that are in memory."""

    def __init__(self, store: Store, domain: int) -> None:
        self.order = Order()
        self._store = store
        self._domain = domain
        self._place = due.START
        self._all_read = False

    def read_again(self) -> None:
        """Begins the table anew at the next `take`; rows that are in memory stay there."""
        self._place = due.START
        self._all_read = False

    async def take(self, most: int, under_way: Container[int], spared: frozenset[int] = frozenset()) -> list[Due]:
        """Returns up to ``most`` rows, whose users are busy from now on (`Order.done`); none: nothing more is due.

        Rows whose ids are in ``under_way`` are left out, and those of the accounts in ``spared``. Each call reads one
        page more of the table, until all of it is known, so that nobody waits until those have been served whose mail
        is older. Raises Temporary.
        """
        await self._read_more_of_users(under_way, spared)
        while True:
            if not self._all_read and len(self.order) < _KNOWN:
                page = await self._store.read(partial(due.due, domain=self._domain, after=self._place, spared=spared))
                self.order.add(row for row in page if row.id not in under_way)
                self._all_read = len(page) < due.PAGE
                if page:
                    self._place = page[-1].place
            rows = self.order.take(most)
            if rows or self._all_read or len(self.order) >= _KNOWN:
                return rows

    async def _read_more_of_users(self, under_way: Container[int], spared: frozenset[int]) -> None:
        for user, left_out in self.order.short():
            if user in spared:
                self.order.refill(user, (), None)
                continue
            work = partial(due.of_user, domain=self._domain, user=user, first=left_out)
            rows = await self._store.read(work)
            rest = rows[-1].id + 1 if len(rows) == due.OF_USER else None
            self.order.refill(user, (row for row in rows if row.id not in under_way), rest)
