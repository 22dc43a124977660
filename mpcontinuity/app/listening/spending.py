"""Rations as the processes that share a store keep them together: each tells what hosts took, and hears of the others.

In batches, and only of hosts that took much since it was told last: most take so little that no process need hear of
it. Where there is one process, nothing is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.logger import Logger

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import Rations, Taken
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

EVERY: Final = 2.0  # s between two exchanges
_TOLD = 100  # hosts at a time
_HEARD = 1_000  # rows at a time, those of the last who took something
_EXPIRED = 500  # rows at a time
_KEPT_FOR = 120 * SECOND  # by then everybody has heard of it; the amounts of a row that is gone begin at 0 again
_SKEW = 10 * SECOND  # of the clocks of nodes

_TELL = Statement(
    """INSERT INTO spending (host, kind, amount, last) VALUES (:host, :kind, :amount, :now)
    ON CONFLICT (host, kind) DO UPDATE SET amount = spending.amount + :amount, last = :now"""
)
_EXPIRE = Statement(
    """DELETE FROM spending WHERE (host, kind) IN (
        SELECT host, kind FROM spending WHERE last < :stale ORDER BY last LIMIT :most)"""
)
_SINCE = Statement("SELECT host, kind, amount FROM spending WHERE last > :since ORDER BY last DESC LIMIT :most")

_log = Logger()


class SharedRations:
    """Of one process."""

    def __init__(self, store: Store, rations: Rations) -> None:
        self._store = store
        self._rations = rations
        self._known: OrderedDict[tuple[str, int], int] = OrderedDict()  # of these amounts the rations know
        self._since = store.clock.now() - _SKEW
        rations.sharing = not store.election.alone

    async def exchange(self) -> None:
        """Every `EVERY` seconds."""
        if not self._rations.sharing:
            return
        now = self._store.clock.now()
        news = self._rations.news(_TOLD)
        try:
            if news:
                await self._store.run(partial(_tell, news))
            for host, kind, amount in news:
                self._know((host, kind), self._known.get((host, kind), 0) + amount)
            heard = await self._store.read(partial(_hear, self._since))
        except Temporary as error:
            _log.warn("what client hosts took is not shared: {error}", error=error, often=True)
            return
        self._since = now - _SKEW
        self._rations.heard(self._of_others(heard, {(host, kind): amount for host, kind, amount in news}))

    def _of_others(self, heard: Sequence[Taken], ours: dict[tuple[str, int], int]) -> list[Taken]:
        others = []
        for host, kind, amount in heard:
            known = self._known.get((host, kind), 0)
            if amount < known:  # the row was gone, and began anew
                known = ours.get((host, kind), 0)
            if amount > known:
                others.append(Taken(host, kind, amount - known))
            self._know((host, kind), amount)
        return others

    def _know(self, key: tuple[str, int], amount: int) -> None:
        self._known[key] = amount
        self._known.move_to_end(key)
        if len(self._known) > 2 * _HEARD:
            self._known.popitem(last=False)


def _tell(news: Sequence[Taken], tx: Transaction) -> None:
    for host, kind, amount in sorted(news):  # all processes in the same order: none waits for another in a circle
        tx.run(_TELL, host=host, kind=kind, amount=amount, now=tx.now)
    tx.run(_EXPIRE, stale=tx.now - _KEPT_FOR, most=_EXPIRED)


def _hear(since: int, tx: Transaction) -> list[Taken]:
    return [Taken(host, kind, amount) for host, kind, amount in tx.all(_SINCE, since=since, most=_HEARD)]
