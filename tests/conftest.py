"""What every test shares: Hypothesis replays the same examples, so that a failure is the change's and not the day's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import globalLogBeginner

from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result

settings.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# For hunting: new examples each time, as many as one has patience for.
settings.register_profile("hunt", parent=settings.get_profile("suite"), derandomize=False, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """An empty store whose Deferreds have fired when they are given; its time is the fixture ``clock``."""
    opened = open_memory_like_store(tmp_path, clock=clock)
    yield opened
    result(opened.close())


def pytest_unconfigure() -> None:
    """What simulated processes left half done is collected at exit, and would be logged behind pytest's last line."""
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
