"""Reads the day of a Date field (RFC 5322 §3.3, and the obsolete forms of §4.3), and writes dates for Received."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache

from mpcontinuity.model.clock import SECOND

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_DAY = re.compile(rb"(?:^|[,\s])([0-9]{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*[\s-]+([0-9]{2,4})(?![0-9])")

_CLOCK = re.compile(rb"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s+([+-])([0-9]{4}))?")
_EPOCH = date(1970, 1, 1).toordinal()


def day(value: bytes) -> date | None:
    """Returns the day as the sender wrote it, without regard to time and zone, as SEARCH SENTON wants it.

    The result is None where the value has no date.
    """
    match = _DAY.search(value[:256])
    if not match:
        return None
    year = int(match[3])
    if len(match[3]) < 4:  # RFC 5322 §4.3
        year += 2000 if len(match[3]) == 2 and year < 50 else 1900
    try:
        return date(year, _NUMBER[match[2].lower()], int(match[1]))
    except (KeyError, ValueError):
        return None


def moment(value: bytes) -> int | None:
    """Returns the seconds since 1970 at which the sender wrote it, or None where the value has no date.

    What cannot be read of the time or of the zone is midnight, and UTC (RFC 5256 §2.2).
    """
    found = day(value)
    if found is None:
        return None
    seconds = (found.toordinal() - _EPOCH) * 86_400
    clock = _CLOCK.search(value[:256])
    if clock is None:
        return seconds
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if hour > 23 or minute > 59 or second > 60:
        return seconds
    seconds += hour * 3600 + minute * 60 + second
    if clock[4] is None:
        return seconds
    zone = int(clock[5][:2]) * 3600 + int(clock[5][2:]) * 60
    return seconds + zone if clock[4] == b"-" else seconds - zone


def show(time: int) -> str:
    """Returns a time in µs as it stands in a header field: ``Sun, 22 Nov 2026 04:03:00 +0000``."""
    return _second(time // SECOND)


@lru_cache(maxsize=4)
def _second(time: int) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year:04} "
        f"{moment.hour:02}:{moment.minute:02}:{moment.second:02} +0000"
    )
