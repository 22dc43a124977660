"""Threads for what is slow or blocks: password hashing, a name lookup."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from mpcontinuity.model.errors import Temporary

T = TypeVar("T")

_Job = tuple[Callable[[], Any], Deferred[Any]]


class Workers:
    """A pool of threads that does a bounded number of jobs. Hosts take turns: a storm of one costs another the job at
    hand, and no more.
    """

    def __init__(
        self, reactor: IReactorFromThreads, name: str, *, threads: int, most: int, most_of_host: int = 0
    ) -> None:
        """At most ``most`` jobs wait, of which at most ``most_of_host`` are of one host."""
        self._reactor = reactor
        self._threads = threads
        self._most = most
        self._most_of_host = most_of_host or most
        self._running = 0
        self._waiting = 0
        self._hosts: OrderedDict[str, deque[_Job]] = OrderedDict()  # whose turn is next stands first
        self._pool = ThreadPool(0, threads, name)

    def start(self) -> None:
        """Starts the threads."""
        self._pool.start()

    def stop(self) -> None:
        """Ends the threads after the jobs at hand."""
        self._pool.stop()

    def __call__(self, work: Callable[[], T], host: str = "") -> Deferred[T]:
        """Does ``work`` in a thread, for a client at ``host``, and returns its result. Fails with Temporary when too
        much waits.
        """
        waiting = self._hosts.get(host)
        mine = len(waiting) if waiting is not None else 0
        if mine >= self._most_of_host or (self._waiting >= self._most and not self._give_way(mine)):
            return fail(_too_many())
        job: _Job = (work, Deferred())
        if waiting is None:
            waiting = self._hosts[host] = deque()
        waiting.append(job)
        self._waiting += 1
        self._work()
        return job[1]

    def _give_way(self, mine: int) -> bool:
        """Whether the last job of a host that has more than one more than ``mine`` was put off."""
        longest = max(self._hosts.values(), key=len)
        if len(longest) <= mine + 1:
            return False
        _, put_off = longest.pop()
        self._waiting -= 1
        put_off.errback(_too_many())
        return True

    def _work(self) -> None:
        while self._running < self._threads and self._hosts:
            host, waiting = self._hosts.popitem(last=False)
            work, deferred = waiting.popleft()
            if waiting:
                self._hosts[host] = waiting
            self._waiting -= 1
            self._running += 1
            deferToThreadPool(self._reactor, self._pool, work).addBoth(partial(self._done, deferred))

    def _done(self, deferred: Deferred[Any], result: Any) -> None:
        self._running -= 1
        self._work()
        deferred.callback(result)  # a failure too


def _too_many() -> Temporary:
    return Temporary("too many passwords wait to be checked")
