from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.clock import from_iso, iso


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_a_time_survives_being_shown_with_its_zone(micros: int) -> None:
    assert from_iso(iso(micros)) == micros


def test_a_time_without_a_zone_is_utc() -> None:
    assert from_iso("2026-11-22T04:00:00") == from_iso("2026-11-22T05:00:00+01:00")
