"""A line per event."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from mpcontinuity.app.log import line


def event(template: str, **fields: Any) -> dict[str, Any]:
    return {
        "log_level": LogLevel.info,
        "log_namespace": "mpcontinuity.homes",
        "log_time": 1_790_000_000.5,
        "log_format": template,
        **fields,
    }


def test_a_line_has_time_level_part_and_text() -> None:
    shown = line(event("{host} is {state}", host="home:25", state="down"))
    assert shown is not None
    assert shown[:19].startswith("2026-09-21T")
    assert shown[24:] == " info mpcontinuity.homes home:25 is down\n"


@pytest.mark.parametrize(
    ("template", "fields", "text"),
    [
        ("{value()}", {"value": lambda: 7}, "7"),  # Twisted's extension of the format
        ("a\nb\rc", {}, "a\n\tb\\rc"),  # one event cannot look like two
        ("", {}, None),
    ],
)
def test_unusual_events_are_shown_as_twisted_does(template: str, fields: dict[str, Any], text: str | None) -> None:
    shown = line(event(template, **fields))
    assert (shown and shown.split("homes ", 1)[1]) == (text and text + "\n")


def test_a_failure_brings_its_traceback_and_a_wrong_format_is_told() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        shown = line(event("it failed", log_failure=Failure()))
    assert shown is not None
    assert "ValueError: odd" in shown
    assert "missing" in (line(event("{missing}")) or "")
