"""Time as an argument, so that the service runs in simulated time (design 15)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """Wall time. Everything that waits uses Twisted's ``IReactorTime`` instead."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1000


def iso(micros: int) -> str:
    """``2026-11-22T04:03:00.123456+00:00``: ISO 8601 with a zone, as the contract shows times."""
    return datetime.fromtimestamp(micros // SECOND, UTC).replace(microsecond=micros % SECOND).isoformat()


def from_iso(text: str) -> int:
    """Microseconds of an ISO 8601 time; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond
