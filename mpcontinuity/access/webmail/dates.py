"""Times as people say them: short where a list shows them, in full where it matters. They are in UTC.

A script of the page says them by the clock of whoever reads it (static/times.js); the words are the same.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from mpcontinuity.model.clock import SECOND
from mpcontinuity.web.languages import Language, marked

_MONTHS: Final = (
    marked("Jan"), marked("Feb"), marked("Mar"), marked("Apr"), marked("May"), marked("Jun"),
    marked("Jul"), marked("Aug"), marked("Sep"), marked("Oct"), marked("Nov"), marked("Dec"),
)  # fmt: skip
_DAYS: Final = (
    marked("Mon"), marked("Tue"), marked("Wed"), marked("Thu"), marked("Fri"), marked("Sat"), marked("Sun"),
)  # fmt: skip


def short(language: Language, time: int, now: int) -> str:
    """Returns a time in µs as a list shows it: ``14:05`` of today, ``3 Nov`` of this year, ``3 Nov 2024`` of others."""
    then, today = _moment(time), _moment(now)
    if then.date() == today.date():
        return f"{then.hour}:{then.minute:02}"
    day = language.said("%(day)d %(month)s", day=then.day, month=_month(language, then))
    return day if then.year == today.year else f"{day} {then.year}"


def full(language: Language, time: int) -> str:
    """Returns a time in µs with its day and year: ``Tue 3 Nov 2026, 14:05 UTC``."""
    then = _moment(time)
    return language.said(
        "%(weekday)s %(day)d %(month)s %(year)d, %(clock)s UTC",
        weekday=language.said(_DAYS[then.weekday()]),
        day=then.day,
        month=_month(language, then),
        year=then.year,
        clock=f"{then.hour}:{then.minute:02}",
    )


def day(language: Language, then: date) -> str:
    """Returns a day: ``Tue 3 Nov 2026``."""
    return language.said(
        "%(weekday)s %(day)d %(month)s %(year)d",
        weekday=language.said(_DAYS[then.weekday()]),
        day=then.day,
        month=_month(language, then),
        year=then.year,
    )


def pattern(language: Language) -> str:
    """Returns how `short` writes a day: ``%(day)d %(month)s``."""
    return language.said("%(day)d %(month)s")


def months(language: Language) -> str:
    """Returns its names of the months, with commas between them."""
    return ",".join(map(language.said, _MONTHS))


def _month(language: Language, then: date) -> str:
    return language.said(_MONTHS[then.month - 1])


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(min(max(time, 0) // SECOND, _LATEST), UTC)


_LATEST: Final = 253_402_300_799  # s: the end of the year 9999
