"""A store with its real threads, and a stand-in for the reactor: what it is told happens in the test's thread."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.model import settings
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.driver import Driver
from mpcontinuity.store.runner import Threads
from mpcontinuity.store.store import Store, open_store

_PATIENCE = 60.0  # s, on a busy machine


class Loop:
    """The reactor's thread is the test's."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.put((function, args))

    def wait(self, done: Callable[[], bool], seconds: float = _PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not done():
            left = until - time.monotonic()
            assert left > 0, "it did not happen"
            try:
                function, args = self._calls.get(timeout=min(left, 0.5))
            except queue.Empty:
                continue
            function(*args)

    def result(self, deferred: Deferred[Any]) -> Any:
        (outcome,) = self.outcomes([deferred])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def outcomes(self, deferreds: Iterable[Deferred[Any]]) -> list[Any]:
        """The value or the exception of each, once all have one."""
        waited = list(deferreds)
        found: dict[int, Any] = {}

        def settled(outcome: Any, index: int) -> Any:
            found[index] = outcome.value if isinstance(outcome, Failure) else outcome
            return found[index]  # for whoever asks again

        for index, deferred in enumerate(waited):
            deferred.addBoth(settled, index)
        self.wait(lambda: len(found) == len(waited))
        return [found[index] for index in range(len(waited))]


def threaded_store(folder: Path, url: str, loop: Loop, *, driver: Driver | None = None) -> Store:
    return open_store(
        folder,
        settings.Store(database=url),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=Threads(),
        disk=RealDisk(),
        driver=driver,
        room=Room(floor=0),
        reactor_call=loop.call,
    )
