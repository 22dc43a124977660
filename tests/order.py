"""A pytest plugin of ``scripts/test``: files that wait come evenly between those that compute.

Processes take whole files in this order, so that at any time some wait for servers, clocks and browsers while the
others use the processor.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.budgets import kind

_WAITING = ("journeys", "browser")  # kinds of tests/budgets.py

# Begun first, since what begins last and takes long is waited for by all.
_LONGEST = (
    "tests/browser/test_outage.py",
    "tests/journeys/test_alerts.py",
    "tests/browser/test_webmail.py",
    "tests/linear/test_linear.py",
    "tests/browser/test_pages.py",
    "tests/simulation/test_replays.py",
    "tests/journeys/test_database_away.py",
    "tests/app/demo/test_demo.py",
    "tests/check/test_damage.py",
    "tests/journeys/test_full_disk.py",
    "tests/simulation/test_play.py",
    "tests/journeys/test_restarts.py",
)


def mixed(files: Iterable[str]) -> list[str]:
    """The paths of files, relative to the checkout, in the order in which they begin."""
    every = sorted(files)
    first = [file for file in _LONGEST if file in every]
    rest = [file for file in every if file not in first]
    waiting = [file for file in rest if kind(file) in _WAITING]
    computing = [file for file in rest if kind(file) not in _WAITING]
    placed = [(place / len(some), file) for some in (waiting, computing) for place, file in enumerate(some)]
    return first + [file for _, file in sorted(placed)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {file: place for place, file in enumerate(mixed({item.location[0] for item in items}))}
    items.sort(key=lambda item: order[item.location[0]])
