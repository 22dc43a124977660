from datetime import UTC, date, datetime

import pytest

from mpcontinuity.protocols.imap import dates


def micros(year: int, month: int, day: int, *rest: int) -> int:
    """``rest``: hours, minutes, seconds."""
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1_000_000


def test_dates_of_search() -> None:
    assert dates.parse_date(b"1-Feb-1994") == date(1994, 2, 1)
    assert dates.parse_date(b"31-dec-2026") == date(2026, 12, 31)


@pytest.mark.parametrize("text", [b"", b"31-Feb-1994", b"1-Feb-94", b"1/2/1994", b"1-Foo-1994", b"1-Feb-0000"])
def test_what_is_no_date_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        dates.parse_date(text)


def test_date_times_of_append_have_a_zone() -> None:
    assert dates.parse_date_time(b"17-Jul-1996 02:44:25 -0700") == micros(1996, 7, 17, 9, 44, 25)
    assert dates.parse_date_time(b" 1-Jan-2026 00:00:00 +0530") == micros(2025, 12, 31, 18, 30)
    assert dates.parse_date_time(b"30-Jun-2015 23:59:60 +0000") == micros(2015, 6, 30, 23, 59, 59)


@pytest.mark.parametrize(
    "text", [b"", b"17-Jul-1996", b"17-Jul-1996 25:00:00 +0000", b"17-Jul-1996 02:44:25 GMT", b"1-Jan-2026 0:0:0 +9999"]
)
def test_what_is_no_date_time_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        dates.parse_date_time(text)


def test_internaldate_is_shown_with_a_day_of_two_places() -> None:
    assert dates.date_time(micros(1996, 7, 7, 9, 44, 25)) == b'" 7-Jul-1996 09:44:25 +0000"'
    assert dates.parse_date_time(dates.date_time(micros(2026, 11, 22))[1:-1]) == micros(2026, 11, 22)


def test_a_year_has_four_digits_whatever_was_given_or_stored() -> None:
    """RFC 3501 §9, date-year: a client of five would lose its place in the answer."""
    late = dates.parse_date_time(b"31-Dec-9999 23:30:00 -1200")
    assert dates.date_time(late) == b'"31-Dec-9999 23:59:59 +0000"'
    assert dates.date_time(1 << 62) == b'"31-Dec-9999 23:59:59 +0000"'
    assert dates.date_time(-(1 << 62)) == b'" 1-Jan-0001 00:00:00 +0000"'
    assert dates.date_time(dates.parse_date_time(b" 1-Jan-0001 00:00:00 +0000")) == b'" 1-Jan-0001 00:00:00 +0000"'
