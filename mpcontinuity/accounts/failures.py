"""Exchanges failed logins between the processes that share a store (accounts/throttle.py, table ``login_failure``).

They are told in batches, and only where there are any: a login costs no transaction. Rows expire; how many there can be
follows from how many a process tells at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.logger import Logger

from mpcontinuity.accounts.throttle import FORGOTTEN_AFTER, Failures, Throttle
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

EVERY: Final = 2.0  # s between two exchanges: what a guesser gains by going to another process meanwhile is a few tries
_TOLD = 100  # rows at a time: 45,000 of a process within FORGOTTEN_AFTER
_HEARD = 1_000  # rows at a time; those that failed last
_EXPIRED = 500  # rows at a time
_SKEW = 10 * SECOND  # of the clocks of nodes

_COUNT = Statement(
    """INSERT INTO login_failure (host, name, failures, last) VALUES (:host, :name, :count, :now)
    ON CONFLICT (host, name) DO UPDATE SET last = :now,
        failures = CASE WHEN login_failure.last < :stale THEN :count ELSE login_failure.failures + :count END"""
)
_FORGIVE = Statement("UPDATE login_failure SET failures = 0, last = :now WHERE host = :host AND name = :name")
_EXPIRE = Statement(
    """DELETE FROM login_failure WHERE (host, name) IN (
        SELECT host, name FROM login_failure WHERE last < :stale ORDER BY last LIMIT :most)"""
)
_SINCE = Statement(
    "SELECT host, name, failures, last FROM login_failure WHERE last > :since ORDER BY last DESC LIMIT :most"
)

_log = Logger()


class FailureExchange:
    """Exchanges, for one process, what its ``throttle`` counted for what all processes have counted."""

    def __init__(self, store: Store, throttle: Throttle) -> None:
        self._store = store
        self._throttle = throttle
        self._since = 0  # what was counted before is known

    async def exchange(self) -> None:
        """Tells what was counted here and hears what was counted elsewhere: to be done every `EVERY` seconds.

        A store that is away is logged; what could not be told is told the next time.
        """
        self._throttle.expire()
        now = self._store.clock.now()
        news = self._throttle.news(_TOLD)
        try:
            if news:
                await self._store.run(partial(_tell, news, now))
            if not self._store.election.alone or not self._since:
                self._throttle.heard(await self._store.read(partial(_hear, self._since)))
        except Temporary as error:
            self._throttle.untold(news)
            _log.warn("failed logins are not shared: {error}", error=error, often=True)
            return
        self._since = now - _SKEW


def _tell(news: Sequence[Failures], now: int, tx: Transaction) -> None:
    stale = now - FORGOTTEN_AFTER
    for host, name, count, _ in sorted(news):  # all processes in the same order: none waits for another in a circle
        if count < 0:
            tx.run(_FORGIVE, host=host, name=name, now=now)
        else:
            tx.run(_COUNT, host=host, name=name, count=count, now=now, stale=stale)
    tx.run(_EXPIRE, stale=stale, most=_EXPIRED)


def _hear(since: int, tx: Transaction) -> list[Failures]:
    return [
        Failures(host, bytes(name), count, last) for host, name, count, last in tx.all(_SINCE, since=since, most=_HEARD)
    ]
