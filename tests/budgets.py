"""A pytest plugin of ``scripts/test``: how many tests of each kind ran, how long they took, and how long they may; and
which files and tests took longest, so that one that waits for nothing is seen.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

# Seconds on two cores (design 'Tests and their time'); a folder of tests/ that is named nowhere is of the first kind.
KINDS = {
    "unit and property": 180,
    "store": 120,
    "dialogues": 60,
    "journeys": 300,
    "simulation": 60,
    "browser": 90,
}
FOLDERS = {
    "store": "store",
    "contracts": "store",
    "protocols": "dialogues",
    "access": "dialogues",
    "inbound": "dialogues",
    "outbound": "dialogues",
    "journeys": "journeys",
    "app": "journeys",
    "crash": "journeys",
    "simulation": "simulation",
    "browser": "browser",
}
BESIDE = 240  # seconds of processor time for what runs beside the tests
SLOWEST = 10  # are named

_seconds: dict[str, float] = defaultdict(float)
_count: dict[str, int] = defaultdict(int)
_of_test: dict[str, float] = defaultdict(float)  # by its node's id, with what its fixtures took
_of_file: dict[str, float] = defaultdict(float)


def kind(path: str) -> str:
    """Of a test's file, relative to the checkout."""
    parts = Path(path).parts
    folder = parts[1] if len(parts) > 2 else ""
    return FOLDERS.get(folder, next(iter(KINDS)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    what = kind(report.location[0])
    _seconds[what] += report.duration
    _of_test[report.nodeid] += report.duration
    _of_file[report.location[0]] += report.duration
    if report.when == "call":
        _count[what] += 1


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    write = terminalreporter.write_line
    write("")
    processes = terminalreporter.config.getoption("numprocesses", None) or 1
    write(f"{'kind':<18} {'tests':>6} {'took':>8} {'budget':>8}{', over all processes' if processes > 1 else ''}")
    for what, budget in KINDS.items():
        if _count[what]:
            write(_line(what, str(_count[what]), _seconds[what] / processes, budget))
    for title, took in (("slowest files", _of_file), ("slowest tests", _of_test)):
        write(f"\n{title}")
        for name in sorted(took, key=took.__getitem__, reverse=True)[:SLOWEST]:
            write(f"{took[name]:>8.1f} s  {name}")


def _line(what: str, tests: str, seconds: float, budget: int) -> str:
    return f"{what:<18} {tests:>6} {seconds:>6.1f} s {budget:>6} s{'  OVER BUDGET' if seconds > budget else ''}"


if __name__ == "__main__":
    print(_line("beside the tests", "-", float(sys.argv[1]), BESIDE))
