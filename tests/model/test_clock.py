from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.clock import (
    AHEAD_LASTS,
    BACK_LASTS,
    DAY,
    EARLIEST,
    HOUR,
    LASTED,
    LATEST,
    MINUTE,
    SECOND,
    TOLERANCE,
    UNSEEN,
    SteadyClock,
    from_iso,
    iso,
)

START = 1_790_000_000 * SECOND


@given(st.integers(min_value=EARLIEST, max_value=LATEST))
def test_a_time_survives_being_shown_with_its_zone(micros: int) -> None:
    assert from_iso(iso(micros)) == micros


@given(st.integers())
def test_any_number_can_be_shown(micros: int) -> None:
    assert iso(micros)


def test_a_time_without_a_zone_is_utc() -> None:
    assert from_iso("2026-11-22T04:00:00") == from_iso("2026-11-22T05:00:00+01:00")


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00", "0001-01-01+14:00"])
def test_a_time_at_the_end_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_iso(text)


class Machine:
    """A wall clock that is ``ahead``, and the time that passes."""

    def __init__(self) -> None:
        self.passed = 77 * HOUR
        self.ahead = 0
        self.clock = SteadyClock(lambda: START + self.passed + self.ahead, lambda: self.passed)
        self.clock.now()

    def wait(self, span: int) -> None:
        """While somebody looks at the clock."""
        end = self.passed + span
        while self.passed < end:
            self.passed = min(self.passed + 5 * SECOND, end)
            self.clock.now()

    @property
    def wrong(self) -> int:
        """By how much the clock differs from what has really passed."""
        return self.clock.now() - START - self.passed


class TestSteady:
    @pytest.mark.parametrize("by", [10 * DAY, -10 * DAY, 400 * DAY, HOUR, -MINUTE])
    def test_a_jump_of_12_seconds_is_not_seen(self, by: int) -> None:
        machine = Machine()
        machine.ahead = by
        assert machine.wrong == 0
        machine.wait(12 * SECOND)
        assert machine.wrong == 0
        assert not machine.clock.trusted(0)
        machine.ahead = 0
        assert machine.wrong == 0
        assert machine.clock.trusted(DAY)
        (jump,) = machine.clock.jumps
        assert (jump.by, jump.end) == (by, "for 12 s only")

    @pytest.mark.parametrize(("by", "lasts"), [(10 * DAY, AHEAD_LASTS), (-10 * DAY, BACK_LASTS)])
    def test_a_jump_that_lasts_is_believed_and_nothing_is_dropped_by_it_for_a_day(self, by: int, lasts: int) -> None:
        machine = Machine()
        machine.ahead = by
        machine.wait(lasts - 5 * SECOND)
        assert machine.wrong == 0
        machine.wait(10 * SECOND)
        assert machine.wrong == by
        machine.wait(LASTED - MINUTE)
        assert not machine.clock.trusted(LASTED)
        assert machine.clock.trusted(HOUR)
        machine.wait(2 * MINUTE)
        assert machine.clock.trusted(LASTED)

    def test_a_machine_that_sleeps_every_night_is_trusted_by_day(self) -> None:
        machine = Machine()
        for _ in range(3):
            machine.ahead += 10 * HOUR  # no monotonic clock counts sleep
            machine.wait(AHEAD_LASTS + 10 * SECOND)
            assert machine.wrong == machine.ahead
            assert not machine.clock.trusted(LASTED)
            machine.wait(HOUR)
            assert machine.clock.trusted(LASTED)

    @pytest.mark.parametrize("by", [TOLERANCE, -TOLERANCE, SECOND // 2])
    def test_a_step_of_ntp_is_followed_at_once(self, by: int) -> None:
        machine = Machine()
        machine.ahead = by
        assert machine.wrong == by
        assert machine.clock.trusted(DAY)
        assert machine.clock.jumps == []

    def test_a_clock_that_runs_fast_is_followed(self) -> None:
        machine = Machine()
        for _ in range(1000):
            machine.ahead += SECOND // 100  # a thousandth; NTP allows half of that
            machine.wait(10 * SECOND)
        assert machine.wrong == 10 * SECOND
        assert machine.clock.jumps == []

    def test_of_many_jumps_only_the_last_are_remembered_and_none_is_believed(self) -> None:
        machine = Machine()
        for number in range(100):
            machine.ahead = 10 * DAY * (number % 2)
            machine.wait(20 * SECOND)
        assert machine.wrong == 0
        assert len(machine.clock.jumps) <= 20

    def test_a_jump_to_somewhere_else_begins_anew(self) -> None:
        machine = Machine()
        machine.ahead = 10 * DAY
        machine.wait(4 * MINUTE)
        machine.ahead = 20 * DAY
        machine.wait(4 * MINUTE)
        assert machine.wrong == 0
        machine.wait(2 * MINUTE)
        assert machine.wrong == 20 * DAY

    def test_time_in_which_nobody_looked_is_a_doubt(self) -> None:
        machine = Machine()
        machine.passed += UNSEEN + SECOND  # stopped, or both clocks jumped
        assert machine.wrong == 0
        assert not machine.clock.trusted(LASTED)

    @pytest.mark.parametrize(
        ("off", "trusted"), [(20 * SECOND, True), (10 * HOUR, True), (UNSEEN + SECOND, False), (-MINUTE, False)]
    )
    def test_a_restart_trusts_what_a_restart_can_take(self, off: int, trusted: bool) -> None:
        machine = Machine()
        now = machine.clock.now()
        machine.clock.begin(now, known=now - off)
        assert machine.clock.trusted(LASTED) is trusted
        assert len(machine.clock.jumps) == (not trusted)

    def test_the_first_start_of_all_is_no_jump(self) -> None:
        machine = Machine()
        machine.clock.begin(machine.clock.now(), known=0)
        assert machine.clock.trusted(LASTED)

    def test_a_reading_that_is_late_is_no_jump(self) -> None:
        machine = Machine()
        reading = machine.clock.now()
        machine.passed += 30 * SECOND  # until the database's answer came
        assert machine.clock.judge(reading, late=30 * SECOND) == reading + 30 * SECOND
        assert machine.clock.jumps == []
