"""Where the store's work runs: in threads, or inline in simulated time (design 15)."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from twisted.logger import Logger

from mpcontinuity.model.errors import Stopping

T = TypeVar("T")
Item = TypeVar("Item", contravariant=True)
Handle = Callable[[list[T]], None]

_log = Logger()


class Worker(Protocol[Item]):
    """Hands all that waits to its ``handle`` at once, in the order of ``put``: so commits and syncs are of groups."""

    def put(self, *items: Item) -> None:
        """Takes items, from any thread. Raises Stopping once the worker has stopped; what was put before is handled."""
        ...

    def waiting(self) -> int:
        """Returns how many items were put and not taken yet."""
        ...

    def stop(self, stopped: Callable[[], None]) -> None:
        """Calls ``stopped``, in the worker's thread, once everything that was put is handled."""
        ...


class Runner(Protocol):
    """Where work is done beside the reactor: in threads, or in simulated time."""

    def worker(self, name: str, handle: Handle[T], *, threads: int = 1, most: int = 256) -> Worker[T]:
        """Starts a worker. ``handle`` gets at most ``most`` items at a time.

        With several threads, several calls of ``handle`` go on at a time.
        """
        ...

    def thread(self, name: str, loop: Callable[[], None]) -> bool:
        """Starts a thread that waits for something by itself. Returns False where there are no threads."""
        ...


class Threads:
    """The runner of the real server."""

    def worker(self, name: str, handle: Handle[T], *, threads: int = 1, most: int = 256) -> Worker[T]:
        return _ThreadedWorker(name, handle, threads, most)

    def thread(self, name: str, loop: Callable[[], None]) -> bool:
        threading.Thread(target=loop, name=name, daemon=True).start()
        return True


class Inline:
    """A runner that does work in the thread that asks for it: at once, or when ``schedule`` calls back."""

    def __init__(self, schedule: Callable[[Callable[[], None]], object] | None = None) -> None:
        self._schedule = schedule

    def worker(self, name: str, handle: Handle[T], *, threads: int = 1, most: int = 256) -> Worker[T]:
        return _InlineWorker(handle, most, self._schedule)

    def thread(self, name: str, loop: Callable[[], None]) -> bool:
        return False


class _ThreadedWorker(Generic[T]):
    """A queue in C: a Condition of Python costs each message more than its share of a system call."""

    def __init__(self, name: str, handle: Handle[T], threads: int, most: int) -> None:
        self._handle = handle
        self._most = most
        self._queue: SimpleQueue[T | _End] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopped: Callable[[], None] | None = None
        self._threads = self._alive = threads
        # Daemons: a disk that hangs must not keep the process from ending; what was answered is durable already.
        for number in range(threads):
            threading.Thread(target=self._loop, name=f"{name}-{number}", daemon=True).start()

    def put(self, *items: T) -> None:
        with self._lock:
            if not self._alive:
                raise Stopping
            for item in items:
                self._queue.put(item)

    def waiting(self) -> int:
        return self._queue.qsize()

    def stop(self, stopped: Callable[[], None]) -> None:
        self._stopped = stopped
        for _ in range(self._threads):
            self._queue.put(_End.END)

    def _loop(self) -> None:
        while batch := self._take():
            try:
                self._handle(batch)
            except Exception:
                _log.failure("worker failed")
        with self._lock:
            if self._alive:
                return
            stopped, self._stopped = self._stopped, None  # the last thread to end says so, once
        if stopped is not None:
            stopped()

    def _take(self) -> list[T]:
        """What waits; nothing once the worker is stopped and all is handled: the thread then ends."""
        batch: list[T] = []
        while not batch:
            item = self._queue.get()
            if item is not _End.END:
                batch.append(item)
            elif self._ends():
                return batch
        with contextlib.suppress(Empty):
            while len(batch) < self._most:
                item = self._queue.get_nowait()
                if item is _End.END:
                    self._queue.put(item)  # behind what is handled before this thread ends
                    break
                batch.append(item)
        return batch

    def _ends(self) -> bool:
        """One end for each thread, behind all that was put meanwhile."""
        with self._lock:
            if self._queue.qsize() >= self._alive:  # more than the ends of the others
                self._queue.put(_End.END)
                return False
            self._alive -= 1
            return True


class _End(enum.Enum):
    END = enum.auto()


class _InlineWorker(Generic[T]):
    def __init__(self, handle: Handle[T], most: int, schedule: Callable[[Callable[[], None]], object] | None) -> None:
        self._handle = handle
        self._most = most
        self._schedule = schedule
        self._waiting: deque[T] = deque()
        self._pending = False
        self._stopped: Callable[[], None] | None = None

    def put(self, *items: T) -> None:
        if self._stopped is not None and not self._pending:
            raise Stopping
        self._waiting.extend(items)
        if self._pending:  # the round that is due, or under way, takes them
            return
        self._pending = True
        if self._schedule is None:
            self._drain()
        else:
            self._schedule(self._round)

    def waiting(self) -> int:
        return len(self._waiting)

    def stop(self, stopped: Callable[[], None]) -> None:
        self._stopped = stopped
        if not self._pending:
            stopped()

    def _drain(self) -> None:
        try:
            while self._waiting:
                self._handle(self._take())
        finally:
            self._pending = False
        if self._stopped is not None:
            self._stopped()

    def _round(self) -> None:
        if self._waiting:
            self._handle(self._take())
        if self._waiting and self._schedule is not None:
            self._schedule(self._round)
            return
        self._pending = False
        if self._stopped is not None:
            self._stopped()

    def _take(self) -> list[T]:
        return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
