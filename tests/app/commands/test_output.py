"""What people are shown: times to the second that can be given back, and time spans with their units."""

from __future__ import annotations

import pytest

from mpcontinuity.app.commands import output
from mpcontinuity.model.clock import from_iso, iso

MOMENT = 1_700_000_000_123_456


def test_a_time_is_shown_to_the_second_and_can_be_given_as_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(f"until {iso(MOMENT)} (3h), from {iso(MOMENT - 123_456)}")
    shown = capsys.readouterr().out
    assert shown == "until 2023-11-14T22:13:20Z (3h), from 2023-11-14T22:13:20Z\n"
    assert from_iso(output.text(iso(MOMENT))) == MOMENT - 123_456


def test_json_has_times_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json({"time": iso(MOMENT)})
    assert "20.123456+00:00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (0.25, "0.25 s"),
        (59.9, "59.9 s"),
        (59.99, "60 s"),
        (412.4, "6 min 52 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_time_span_has_units(seconds: float | None, shown: str) -> None:
    assert output.span(seconds) == shown
