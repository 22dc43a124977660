"""The machine: its disk, its clock, and the store of the process that runs on it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.model import settings
from mpcontinuity.model.clock import SECOND, SteadyClock
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import empty_database
from tests.simulation.disk import Mounted, SimulatedDisk
from tests.simulation.vfs import SimulatedDriver
from tests.simulation.world import Life, ProcessTime, Wall, World

T = TypeVar("T")

FOLDER = Path("/data")
ROOM = Room(spool=64 << 20, floor=1 << 16)


@functools.cache
def _empty() -> bytes:
    return empty_database().read_bytes()


class Reactor:
    """``callFromThread`` in simulated time: in order, a moment later."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._chance = world.chance("threads", life.number)
        self._calls: deque[Callable[[], Any]] = deque()

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.append(functools.partial(function, *args))
        self._world.later(self._chance.random() * 0.001, self._life, self._run)

    def _run(self) -> None:
        self._calls.popleft()()


@dataclass
class Deaths:
    """When processes ended, how, and when the disk was full: what excuses something later."""

    of: dict[int, float] = field(default_factory=dict)  # by number of life
    full: list[tuple[float, float]] = field(default_factory=list)

    def full_between(self, start: float, end: float) -> bool:
        return any(begun <= end and ended >= start for begun, ended in self.full)


class Machine:
    """Booted, used, killed or switched off in the middle of an operation; then booted again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.disk = SimulatedDisk(world)
        self.disk.put(str(FOLDER / DATABASE), _empty())
        self.wall = Wall()
        self.life = self.disk.life
        self.time = ProcessTime(world, self.life, self.wall)
        self.clock = self._new_clock()
        self._driver: SimulatedDriver | None = None
        self.lives = 0

    @property
    def on(self) -> bool:
        return not self.life.dead

    def boot(self) -> Store:
        """A new process opens the store. Raises what that raises, PowerFailure among it."""
        world = self.world
        chance = world.chance("process", self.life.number)
        self._driver = SimulatedDriver(self.disk, str(FOLDER / DATABASE), chance)
        threads = world.chance("workers", self.life.number)
        store = open_store(
            FOLDER,
            settings.Store(),
            clock=self.clock,
            randomness=SeededRandomness(chance.getrandbits(32)),
            runner=Inline(lambda call: world.later(threads.random() * 0.002, self.life, call)),
            disk=Mounted(self.disk),
            driver=self._driver,
            room=ROOM,
            reactor_call=Reactor(world, self.life).call,
        )
        store.figures.monotonic = self.time.seconds
        return store

    def _new_clock(self) -> SteadyClock:
        """As a process has it: it believes no jump that does not last."""
        return SteadyClock(self.time.now, lambda: round(self.world.now * SECOND))

    def switch_off(self, *, power: bool) -> None:
        """Everything in memory is gone; where ``power`` failed too, the disk keeps what it kept."""
        self.close()
        self.lives += 1
        self.life = Life(self.lives)
        self.time = ProcessTime(self.world, self.life, self.wall)
        self.clock = self._new_clock()
        if power:
            self.disk.restart(self.world.chance("power", self.lives), self.life)
        else:
            self.disk.hand_over(self.life)

    def close(self) -> None:
        """The process is gone. SQLite knows its file system by a name that is for ever, unless it is given back."""
        self.life.dead = True
        if self._driver is not None:
            self._driver.abandon()
            self._driver = None

    def look(self, work: Callable[[Transaction], T]) -> T:
        """What an auditor reads between two turns: the same in every way as what is committed."""
        assert self._driver is not None
        return self._driver.look(work, self.clock.now())

    def changes(self) -> int:
        """Rows changed since the process began; a process's first is not another's."""
        assert self._driver is not None
        return self._driver.changes() + (self.lives << 32)

    def check_database(self) -> list[str]:
        assert self._driver is not None
        return self._driver.check()

    def wait(self, awaitable: Awaitable[T], seconds: float) -> T:
        """Lets time pass until it has come to something. Raises what it failed with, or TimeoutError."""
        results: list[T] = []
        failures: list[Any] = []
        Deferred.fromCoroutine(_of(awaitable)).addCallbacks(results.append, failures.append)
        until = self.world.now + seconds
        while not results and not failures and self.on and self.world.step(until):
            pass
        if failures:
            failures[0].raiseException()
        if not results:
            raise TimeoutError
        return results[0]


async def _of(awaitable: Awaitable[T]) -> T:
    return await awaitable
