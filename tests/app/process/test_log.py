"""A line per event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.logger import LogLevel, PredicateResult
from twisted.python.failure import Failure

from mpcontinuity.app.process.log import LONGEST_LINE, LONGEST_VALUE, OncePerMinute, json_line, line


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
        ("a\nb\rc", {}, "a\\nb\\rc"),  # one event cannot look like two
        ("", {}, None),
    ],
)
def test_unusual_events_are_shown_as_twisted_does(template: str, fields: dict[str, Any], text: str | None) -> None:
    shown = line(event(template, **fields))
    assert (shown and shown.split("homes ", 1)[1]) == (text and text + "\n")


def test_ids_stand_in_front_of_the_text_at_the_same_place_in_every_line() -> None:
    shown = line(event("redirected: {why}", why="away", owed="0c", message="0b", session="0a"))
    assert shown is not None
    assert shown.endswith(" mpcontinuity.homes session=0a message=0b owed=0c redirected: away\n")
    assert "message=" not in (line(event("refused", session="0a", message="")) or "")


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b[31m", "\x00", "\x7f", "\x85", "\u2028", "\u202e"])
def test_no_value_can_end_a_line_or_move_the_cursor(sign: str) -> None:
    shown = line(event("login of {user}", user=f"a{sign}2026-11-22T04:03:00+0000 info all is well"))
    assert shown is not None
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()


def test_json_has_an_object_per_line_with_ids_text_and_fields() -> None:
    shown = json_line(event("{what} to {to}", what="redirected\n", to=["a", "b"], session="0a", message="0b", n=7))
    assert shown is not None
    assert shown.count("\n") == 1
    row = json.loads(shown)
    assert row.pop("time").startswith("2026-09-21T")
    assert row == {
        "level": "info",
        "part": "mpcontinuity.homes",
        "session": "0a",
        "message": "0b",
        "text": "redirected\n to ['a', 'b']",
        "fields": {"what": "redirected\n", "to": ["a", "b"], "n": 7},
    }


def test_json_shows_a_failure_with_its_traceback() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        shown = json_line(event("it failed", log_failure=Failure()))
    assert shown is not None
    assert "ValueError: odd" in json.loads(shown)["text"]


def test_a_failure_brings_its_traceback_and_a_wrong_format_is_told() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        shown = line(event("it failed", log_failure=Failure()))
    assert shown is not None
    assert "ValueError: odd" in shown
    assert "missing" in (line(event("{missing}")) or "")


def test_what_is_true_of_every_message_is_said_once_a_minute_with_how_often() -> None:
    often = OncePerMinute()

    def said(seconds: float, **fields: Any) -> str | None:
        one = event("no room: {why}", why=seconds, often=True) | fields | {"log_time": 1_790_000_000.0 + seconds}
        return line(one) if often(one) is PredicateResult.maybe else None

    first = said(0)
    assert first is not None
    assert first.endswith("no room: 0\n")
    assert [said(second) for second in (1, 2, 59)] == [None, None, None]
    again = said(60)
    assert again is not None
    assert again.endswith("no room: 60 (and 3 times more since the last such line)\n")
    assert said(61, log_format="another") is not None
    assert said(30) is not None  # the clock was set back


def test_what_is_not_marked_as_frequent_is_always_said() -> None:
    often = OncePerMinute()
    assert [often(event("the same")) for _ in range(3)] == [PredicateResult.maybe] * 3


@pytest.mark.parametrize("said", ["x" * 1_000_000, ValueError("x" * 1_000_000), ["x" * 10_000] * 100, b"x" * 1_000_000])
def test_what_others_say_is_cut_in_the_log(said: object) -> None:
    for shown in (
        line(event("it says {said} to {host}", said=said, host="home")),
        json_line(event("{said}", said=said)),
    ):
        assert shown is not None
        assert len(shown) < 2 * LONGEST_LINE + LONGEST_VALUE
        assert "characters)" in shown


def test_what_is_said_behind_a_long_value_is_shown() -> None:
    shown = line(event("{said!r} says {host}", said="x" * 10_000, host="home"))
    assert shown is not None
    assert shown.endswith("… (10000 characters)' says home\n")


def test_a_traceback_is_cut_too() -> None:
    try:
        raise ValueError("x" * 1_000_000 + "\n" * 1_000_000)
    except ValueError:
        failure = Failure()
    shown = line(event("it failed", log_failure=failure))
    assert shown is not None
    assert len(shown) < 10 * LONGEST_LINE
    assert "Traceback" in shown


def test_a_traceback_of_twisteds_older_log_is_told_beyond_the_length_of_a_value() -> None:
    told = line({"log_format": "{log_text}", "log_text": "x" * 1500, "log_time": 0.0, "log_namespace": "log_legacy"})
    assert told is not None
    assert "x" * 1500 in told
