"""Simulated time: everything that happens is a call in one queue, and nothing else moves the clock."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from typing import Any

from twisted.internet.error import AlreadyCalled

from mpcontinuity.model.clock import SECOND

START = 1_790_000_000 * SECOND  # 2026-09-21T13:33:20Z


class Life:
    """Who asked for a call. What is due for somebody who is dead does not happen."""

    __slots__ = ("dead", "number")

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.dead = False


class Alarm:
    """``IDelayedCall``."""

    __slots__ = ("_args", "_call", "_kw", "_life", "_time", "_waits", "_world")

    def __init__(self, world: World, time: float, life: Life, call: Callable[..., object], args: Any, kw: Any) -> None:
        self._world = world
        self._time = time
        self._life = life
        self._call = call
        self._args = args
        self._kw = kw
        self._waits = True

    def active(self) -> bool:
        return self._waits

    def cancel(self) -> None:
        """As Twisted does: an alarm that has gone off or was cancelled is not there to be cancelled."""
        if not self._waits and not self._life.dead:
            raise AlreadyCalled
        self._waits = False

    def getTime(self) -> float:
        return self._time

    def go_off(self) -> bool:
        """Whether anything was called."""
        if not self._waits or self._life.dead:
            return False
        self._waits = False
        self._call(*self._args, **self._kw)
        return True


class World:
    """``seed`` decides everything that is left to chance; every part draws from a stream of its own, so that what one
    of them draws does not depend on what others did."""

    def __init__(self, seed: object, *, traced: bool = False) -> None:
        self.seed = seed
        self.now = 0.0  # seconds since the story began
        self.turns = 0
        self.nobody = Life()  # in whose name the world itself acts
        self.trace: list[str] = []
        self.traced = traced
        self._hash = hashlib.blake2b(digest_size=16)
        self._calls: list[tuple[float, int, Alarm]] = []
        self._dead: list[Alarm] = []  # kept to the end: what they hold must not come to an end in between
        self._number = 0

    def chance(self, *name: object) -> random.Random:
        """The stream of that name."""
        return random.Random(f"{self.seed} {name}")

    def later(self, delay: float, life: Life, call: Callable[..., object], *args: Any, **kw: Any) -> Alarm:
        self._number += 1
        alarm = Alarm(self, self.now + delay if delay > 0 else self.now, life, call, args, kw)
        heapq.heappush(self._calls, (alarm._time, self._number, alarm))
        return alarm

    def at(self, time: float, call: Callable[..., object], *args: Any) -> Alarm:
        return self.later(time - self.now, self.nobody, call, *args)

    def step(self, until: float) -> bool:
        """The next call, with time at its moment. False: there is none until then, and time is there."""
        calls = self._calls
        while calls and calls[0][0] <= until:
            time, _, alarm = heapq.heappop(calls)
            if alarm._waits and not alarm._life.dead:
                self.now = max(self.now, time)
                self.turns += 1
                alarm.go_off()
                return True
            if alarm._waits:
                self._dead.append(alarm)
        self.now = max(self.now, until)
        return False

    def waiting(self, life: Life, *, besides: Callable[..., object]) -> int:
        """How many calls are due for somebody, but those of this method."""
        return sum(
            alarm._waits and alarm._life is life and getattr(alarm._call, "__func__", None) is not besides
            for _, _, alarm in self._calls
        )

    def note(self, *what: object) -> None:
        """Into the trace, where one is kept."""
        if self.traced:
            line = f"{self.now:12.6f} {' '.join(map(str, what))}"
            self.trace.append(line)
            self._hash.update(line.encode())

    def detail(self, *what: object) -> None:
        """Into the hash of the trace alone: bytes on the wire and on the disk."""
        if self.traced:
            self._hash.update(repr((self.now, what)).encode())

    def fingerprint(self) -> str:
        """Of all that was noted: the same for the same story."""
        self._hash.update(repr((self.now, self.turns)).encode())
        return self._hash.hexdigest()


class ProcessTime:
    """Both clocks of a process: ``IReactorTime``, steady, for what waits, and wall time for what is written down."""

    def __init__(self, world: World, life: Life, wall: Wall) -> None:
        self._world = world
        self._life = life
        self._wall = wall

    def seconds(self) -> float:
        return self._world.now

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Alarm:
        assert delay >= 0, f"{delay} seconds"
        return self._world.later(delay, self._life, callable, *args, **kw)

    def now(self) -> int:
        """µs since 1970."""
        return START + round((self._world.now + self._wall.offset) * SECOND)


class Wall:
    """The machine's wall clock: ``offset`` seconds from the truth. Jumps survive a power failure."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.forward = 0.0  # the sum of all jumps forward, and of all jumps back
        self.back = 0.0

    def jump(self, seconds: float) -> None:
        self.offset += seconds
        if seconds > 0:
            self.forward += seconds
        else:
            self.back -= seconds
