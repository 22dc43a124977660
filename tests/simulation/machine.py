"""A machine in simulated time: its disk, its clock, and the store of the process that runs on it."""

from __future__ import annotations

import functools
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpcontinuity.model import settings
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.sqlite import DATABASE
from mpcontinuity.store.store import Store, open_store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import empty_database
from tests.simulation.disk import Mounted, SimulatedDisk
from tests.simulation.vfs import SimulatedDriver

FOLDER = Path("/data")


@functools.cache
def _empty() -> bytes:
    return empty_database().read_bytes()


class Reactor:
    """``callFromThread`` in simulated time: in order, a moment later."""

    def __init__(self, clock: ManualClock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._calls: deque[Callable[[], Any]] = deque()

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.append(functools.partial(function, *args))
        self._clock.callLater(self._chance.random() * 0.001, self._run)

    def _run(self) -> None:
        self._calls.popleft()()


class Machine:
    """Booted, used, and switched off in the middle of an operation; then booted again."""

    def __init__(self, seed: int, *, lying_sync: bool = False, durable_commits: bool = True) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.disk = SimulatedDisk(self.chance, lies=lying_sync)
        self.disk.put(str(FOLDER / DATABASE), _empty())
        self._durable_commits = durable_commits
        self._driver: SimulatedDriver | None = None
        self.boots = 0

    def boot(self) -> Store:
        """A new process opens the store."""
        self.boots += 1
        name = str(FOLDER / DATABASE)
        clock, chance = self.clock, self.chance
        self._driver = SimulatedDriver(self.disk, name, chance, durable=self._durable_commits)
        return open_store(
            FOLDER,
            settings.Store(),
            clock=clock,
            randomness=SeededRandomness(chance.getrandbits(32)),
            runner=Inline(lambda call: clock.callLater(chance.random() * 0.002, call)),
            disk=Mounted(self.disk),
            driver=self._driver,
            room=Room(),
            reactor_call=Reactor(clock, chance).call,
        )

    def run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Lets time pass, from event to event, until something is done. False: the power failed."""
        end = self.clock.seconds() + seconds
        while not self.disk.off and not done():
            calls = self.clock.calls
            if not calls or calls[0].getTime() > end:
                self.clock.advance(end - self.clock.seconds())
                break
            self.clock.advance(max(calls[0].getTime() - self.clock.seconds(), 0))
        return not self.disk.off

    def switch_off(self) -> None:
        """Everything in memory is gone, and the disk keeps what it kept."""
        self.disk.off = True
        if self._driver is not None:
            self._driver.abandon()
            self._driver = None
        # What is left of the dead process holds the old clock, which stands still for ever.
        self.clock = self.clock.successor()
        self.disk.restart()

    def check_database(self) -> list[str]:
        assert self._driver is not None
        return self._driver.check()
