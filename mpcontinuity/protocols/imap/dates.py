"""Reads and writes IMAP's dates (RFC 3501 §9): `date` of SEARCH, `date-time` of APPEND and INTERNALDATE."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from time import gmtime

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_DATE_TIME = re.compile(
    rb"([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def parse_date(text: bytes) -> date:
    """Returns the day in ``1-Feb-1994``. Raises ValueError."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    day, month, year = match.groups()
    return date(int(year), _month(month), int(day))


def parse_date_time(text: bytes) -> int:
    """Returns the µs since 1970 of ``17-Jul-1996 02:44:25 -0700``. Raises ValueError."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a date-time")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    zone = timezone(-offset if sign == b"-" else offset)
    leap = second == b"60"  # RFC 5322 §3.3 knows leap seconds, datetime does not
    moment = datetime(
        int(year), _month(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=zone
    )
    return min((moment - _EPOCH) // _MICROSECOND, _LAST)  # the last hours of 9999 may be in the year 10000 of UTC


def _month(name: bytes) -> int:
    try:
        return _MONTH_NUMBERS[name.lower()]
    except KeyError:
        raise ValueError("not a month") from None


def date_time(micros: int) -> bytes:
    """Returns INTERNALDATE with its quotes, in UTC. The year has four digits (RFC 3501 §9), whatever is stored."""
    micros = min(max(micros, _FIRST), _LAST)
    day, second = divmod(micros // 1_000_000, 86400)
    minute, second = divmod(second, 60)
    return b'"%b %02d:%02d:%02d +0000"' % (_day(day), minute // 60, minute % 60, second)


@lru_cache(maxsize=10_000)
def _day(number: int) -> bytes:
    """Of that day since 1970: a mailbox has few days and many messages."""
    year, month, day, *_ = gmtime(number * 86400)
    return b"%2d-%b-%04d" % (day, _MONTHS[month - 1], year)
