"""Threads for what is slow or blocks: password hashing, a name lookup."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from mpcontinuity.model.errors import Temporary

T = TypeVar("T")


class Workers:
    """A pool of ``threads`` in which at most ``most`` jobs run or wait."""

    def __init__(self, reactor: IReactorFromThreads, name: str, *, threads: int, most: int) -> None:
        self._reactor = reactor
        self._most = most
        self._jobs = 0
        self._pool = ThreadPool(0, threads, name)

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        self._pool.stop()

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Fails with Temporary when too much waits."""
        if self._jobs >= self._most:
            return fail(Temporary("too many passwords wait to be checked"))
        self._jobs += 1
        return deferToThreadPool(self._reactor, self._pool, work).addBoth(self._done)

    def _done(self, result: T) -> T:
        self._jobs -= 1
        return result
