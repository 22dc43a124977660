"""Time as an argument, so that the service can run in simulated time.

The unit is the microsecond, and moments are counted from the beginning of 1970 in UTC, unless something else is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Years that `iso` can show, with a year to either side for what is added or taken away.
EARLIEST = int(datetime(2, 1, 1, tzinfo=UTC).timestamp()) * SECOND
LATEST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp()) * SECOND

TOLERANCE = 10 * SECOND  # a step as small as this, as NTP makes them, is no jump
AHEAD_LASTS = 5 * MINUTE  # until the clock is believed that jumped ahead
BACK_LASTS = MINUTE  # and that jumped back: nothing expires by that
UNSEEN = DAY  # that passed while nobody looked may be a jump as well; a server may be off every night
LASTED = DAY  # until something is dropped or bounced by the new time, after a jump of more than a day
_SMALL_LASTED = HOUR  # after a smaller one, as a machine makes that sleeps every night
LEASES_LAST = 15 * MINUTE  # longer than any lease: until those are of the new time
_KEPT = 20  # jumps that are remembered


class Clock(Protocol):
    """Tells the time of day. Whatever waits for a time uses Twisted's ``IReactorTime`` instead (model/timer.py)."""

    def now(self) -> int:
        """Returns microseconds since 1970, UTC."""
        ...

    def trusted(self, span: int) -> bool:
        """Returns whether the clock has not jumped within the last ``span`` µs, measured by a clock that cannot be set.

        After a jump of less than a day it is trusted again after an hour. Whoever drops or bounces mail because it is
        too old asks this first.
        """
        ...


class SystemClock:
    """The clock of this machine, as it is."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def trusted(self, span: int) -> bool:
        return True


def monotonic() -> int:
    """Returns the µs that have passed since an arbitrary moment. Setting the machine's clock does not change it."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of the clock that was noticed.

    ``time`` is when it was noticed, by the time that went on without the jump. ``by`` is the size of the jump in µs,
    negative for a jump back. ``end`` says what became of it; it is empty while that is open.
    """

    time: int
    by: int
    end: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    since: int  # monotonic
    jump: Jump


class Steady:
    """Makes a time that does not jump out of readings of a clock that may.

    After a jump the time goes on as if nothing had happened, until the jump has lasted for some minutes; then it is
    believed. ``monotonic`` returns µs. Readings may come from several threads. ``jumps`` has the last jumps, the newest
    one last.
    """

    def __init__(self, monotonic: Callable[[], int] = monotonic) -> None:
        self.jumps: list[Jump] = []
        self.changes = 0  # of `jumps`, ever
        self._monotonic = monotonic
        self._lock = Lock()
        self._believed: int | None = None  # the time at `_at`
        self._at = monotonic()
        self._pending: _Pending | None = None
        self._adopted: int | None = None  # when a jump was believed, monotonic
        self._doubt = 0  # for how long it is in doubt

    def trusted(self, span: int) -> bool:
        """Returns whether the clock has not jumped of late, as `Clock.trusted` says."""
        if self._pending is not None:
            return False
        return self._adopted is None or self._monotonic() - self._adopted >= min(span, self._doubt)

    def judge(self, reading: int, late: int = 0) -> int:
        """Returns the time in µs, given a reading that was made just now, or up to ``late`` µs ago."""
        with self._lock:
            passed = self._monotonic()
            if self._believed is None:
                self._believe(reading, passed)
                return reading
            expected = self._believed + passed - self._at
            by = reading - expected
            if -TOLERANCE - late <= by < -TOLERANCE:
                return expected
            if passed - self._at > UNSEEN and self._pending is None:
                self._note(Jump(self._believed, reading - self._believed, "nobody looked at the clock meanwhile"))
                self._adopt(reading - self._believed)
            if abs(by) <= TOLERANCE:
                self._went_back()
                self._believe(reading, passed)
                return reading
            pending = self._pending
            if pending is None or abs(by - pending.jump.by) > TOLERANCE:
                self._went_back()
                pending = self._pending = _Pending(passed, Jump(expected, by))
                self._note(pending.jump)
            if passed - pending.since < (AHEAD_LASTS if by > 0 else BACK_LASTS):
                return expected
            self._pending = None
            self._replace(Jump(pending.jump.time, pending.jump.by, "it lasted, and is believed"))
            self._adopt(by)
            self._believe(reading, passed)
            return reading

    def begin(self, now: int, known: int) -> None:
        """Begins at ``now``; ``known`` is the last moment at which an earlier process looked at the clock, 0 if none
        did.

        The time in between may have passed without a server or may be a jump of the clock. It is treated as a jump.
        """
        with self._lock:
            if known and not -TOLERANCE <= now - known <= UNSEEN:
                self._note(Jump(known, now - known, "while no server ran"))
                self._adopt(now - known)

    def _adopt(self, by: int) -> None:
        self._adopted, self._doubt = self._monotonic(), LASTED if abs(by) > DAY else _SMALL_LASTED

    def _believe(self, reading: int, passed: int) -> None:
        self._believed, self._at = reading, passed

    def _went_back(self) -> None:
        if self._pending is not None:
            seconds = (self._monotonic() - self._pending.since) // SECOND
            self._replace(Jump(self._pending.jump.time, self._pending.jump.by, f"for {seconds} s only"))
            self._pending = None

    def _note(self, jump: Jump) -> None:
        self.jumps = [*self.jumps[1 - _KEPT :], jump]
        self.changes += 1

    def _replace(self, jump: Jump) -> None:
        self.jumps = [*self.jumps[:-1], jump]
        self.changes += 1


class SteadyClock(Steady):
    """A clock that does not jump when the machine's clock does. ``wall`` returns µs since 1970."""

    def __init__(self, wall: Callable[[], int], monotonic: Callable[[], int] = monotonic) -> None:
        super().__init__(monotonic)
        self._wall = wall

    def now(self) -> int:
        return self.judge(self._wall())


def iso(micros: int) -> str:
    """Returns a time in ISO 8601 with a zone, such as ``2026-11-22T04:03:00.123456+00:00``."""
    micros = min(max(micros, EARLIEST), LATEST)
    return datetime.fromtimestamp(micros // SECOND, UTC).replace(microsecond=micros % SECOND).isoformat()


def from_iso(text: str) -> int:
    """Returns the µs of a time in ISO 8601; without a zone it is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        micros = int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond
    except OverflowError:
        raise ValueError(f"{text!r}: not within the years 2 to 9997") from None
    if not EARLIEST <= micros <= LATEST:
        raise ValueError(f"{text!r}: not within the years 2 to 9997")
    return micros
