"""Rations as the processes that share a store keep them together: each tells what was taken, and hears of the others.

In batches, and only of those who took much since it was told last: most take so little that no process need hear of
it. Where there is one process, nothing is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from twisted.logger import Logger

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import Taken
from mpcontinuity.model.sharing import Counting
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

EVERY: Final = 2.0  # s between two exchanges
_TOLD = 100  # hosts or users at a time, of each kind of rations
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


class Rationing(Counting[Taken], Protocol):
    """Rations that remember what is to be told only while they are ``sharing``."""

    sharing: bool


class SpendingExchange:
    """Exchanges, for one process, what was taken of the ``rations`` that all processes keep together."""

    def __init__(self, store: Store, *rations: Rationing) -> None:
        for each in rations:
            each.sharing = not store.election.alone
        self._store = store
        self._rations = rations
        self._known: OrderedDict[tuple[str, int], int] = OrderedDict()  # of these amounts the rations know
        self._since = store.clock.now() - _SKEW

    async def exchange(self) -> None:
        """Tells what was taken here and hears what was taken elsewhere: to be done every `EVERY` seconds.

        A store that is away is logged; what could not be told is told the next time.
        """
        if self._store.election.alone:
            return
        now = self._store.clock.now()
        told = [rations.news(_TOLD) for rations in self._rations]
        news = [taken for each in told for taken in each]
        try:
            if news:
                await self._store.run(partial(_tell, news))
        except Temporary as error:
            for rations, each in zip(self._rations, told, strict=True):
                rations.untold(each)
            _log.warn("what was taken here is not told: {error}", error=error, often=True)
            return
        for whose, kind, amount in news:
            self._know((whose, kind), self._known.get((whose, kind), 0) + amount)
        try:
            heard = await self._store.read(partial(_hear, self._since))
        except Temporary as error:
            _log.warn("what was taken elsewhere is not heard: {error}", error=error, often=True)
            return
        self._since = now - _SKEW
        others = self._of_others(heard, {(whose, kind): amount for whose, kind, amount in news})
        for rations in self._rations:
            rations.heard(others)

    def _of_others(self, heard: Sequence[Taken], ours: dict[tuple[str, int], int]) -> list[Taken]:
        others = []
        for whose, kind, amount in heard:
            known = self._known.get((whose, kind), 0)
            if amount < known:  # the row was gone, and began anew
                known = ours.get((whose, kind), 0)
            if amount > known:
                others.append(Taken(whose, kind, amount - known))
            self._know((whose, kind), amount)
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
