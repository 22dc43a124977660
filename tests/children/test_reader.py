"""Reader processes as they are: what they cannot do, and that they are replaced."""

from __future__ import annotations

import subprocess
import sys

from tests.children.forbidden import TRIES


def _scene(name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.children.reading", name], capture_output=True, text=True, timeout=200, check=True
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_reader_opens_writes_begins_and_reaches_nothing() -> None:
    *said, environment, died = _scene("everything")
    assert [line.partition(":")[0] for line in said] == list(TRIES)
    for line in said:
        assert line.partition(": ")[2] in ("PermissionError", "ModuleNotFoundError", "ValueError"), line
    assert environment == "environment: {}"
    assert died == "died: 0"


def test_a_reader_has_two_seconds_and_512_mib() -> None:
    looped, *others = _scene("bounds")
    assert looped.startswith("died")
    assert others == ["soon True", "True", "True"]


def test_on_a_busy_machine_a_reader_has_its_time_and_not_the_clocks() -> None:
    """2.5 s, which it is not given any time: what it takes to see that it is not the clock that counts."""
    assert _scene("stopped") == ["Hello 0"]


def test_readers_are_there_before_there_is_work_and_one_that_is_killed_is_replaced() -> None:
    assert _scene("kept") == ["died", "1 2 1"]


def test_a_reader_knows_every_charset_though_it_can_load_none() -> None:
    assert _scene("messages") == ["True"] * 8
