"""Jumps of the clock are noticed and remembered, over restarts too, and nothing old is dropped meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpcontinuity.model.clock import DAY, HOUR, SECOND, SteadyClock
from mpcontinuity.store import timekeeping
from mpcontinuity.store.store import Store
from mpcontinuity.store.timekeeping import Known, Timekeeping, guarded, told
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result


class Machine:
    """``ahead`` of the time that passes is its wall clock. Every `start` is a process anew."""

    def __init__(self, folder: Path) -> None:
        self.time = ManualClock()
        self.ahead = 0
        self.folder = folder
        self.done = 0

    def start(self) -> None:
        self.clock = SteadyClock(lambda: self.time.now() + self.ahead, lambda: round(self.time.seconds() * SECOND))
        self.store = open_memory_like_store(self.folder, clock=self.clock)
        self.timekeeping = Timekeeping(self.store)
        result(self.timekeeping.begin())

    def stop(self) -> None:
        result(self.store.close())

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 5)):
            self.time.advance(5)
            result(self.timekeeping.look())

    def known(self) -> Known:
        return result(self.store.read(timekeeping.known))

    async def chore(self) -> None:
        self.done += 1


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.start()
    return made


def test_a_jump_and_what_became_of_it_is_told_once(machine: Machine) -> None:
    machine.wait(60)
    machine.ahead = 10 * DAY
    machine.wait(10)
    (jump,) = machine.known().jumps
    assert told(jump).startswith("the server's clock jumped ahead by 10 d 0 h at 2026-09-21T14:14:2")
    assert told(jump).endswith("nothing is dropped or bounced by that until it has lasted")
    machine.ahead = 0
    machine.wait(10)
    (jump,) = machine.known().jumps
    assert told(jump).endswith("for 10 s only")


@pytest.mark.parametrize("days", [10, -10])
def test_a_clock_that_is_wrong_at_the_start_is_noticed_by_what_was_known_before(machine: Machine, days: int) -> None:
    machine.wait(60)
    machine.stop()
    machine.ahead = days * DAY
    machine.start()
    (jump,) = machine.known().jumps
    assert jump.end == "while no server ran"
    result(guarded(machine.store, machine.chore)())
    assert machine.done == 0


def test_a_restart_after_some_minutes_is_nothing(machine: Machine) -> None:
    machine.wait(60)
    machine.stop()
    machine.time.advance(1800)
    machine.start()
    assert machine.known().jumps == ()
    result(guarded(machine.store, machine.chore)())
    assert machine.done == 1


def test_what_is_old_is_not_dropped_until_a_jump_has_lasted_for_a_day(machine: Machine) -> None:
    machine.ahead = 10 * DAY
    chore = guarded(machine.store, machine.chore)
    for hours, done in ((1, 0), (22, 0), (2, 1)):
        machine.wait(hours * HOUR / SECOND)
        result(chore())
        assert machine.done == done


def test_until_when_somebody_looked_is_noted_every_minute(store: Store, clock: ManualClock) -> None:
    keeping = Timekeeping(store)
    result(keeping.begin())
    noted = []
    for _ in range(24):
        clock.advance(5)
        result(keeping.look())
        noted.append(result(store.read(timekeeping.known)).time)
    assert len(set(noted)) == 3
    assert noted[-1] >= clock.now() - 60 * SECOND
