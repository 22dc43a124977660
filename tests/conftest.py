"""What every test shares: Hypothesis replays the same examples, so that a failure is the change's and not the day's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import globalLogBeginner

from mpcontinuity.store.store import MESSAGES, Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, open_memory_like_store, result

settings.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# Beside it, a few examples of a seed that is new each time and printed: what `scripts/test` runs first.
settings.register_profile("fresh", parent=settings.get_profile("suite"), derandomize=False, max_examples=10)
# For hunting: new examples each time, as many as one has patience for.
settings.register_profile("hunt", parent=settings.get_profile("suite"), derandomize=False, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


DATABASES = ("sqlite", "postgresql")

# Tests of these folders run on both databases; all others on SQLite, unless `--database` says otherwise.
ON_BOTH = (
    "accounts",
    "alerts",
    "archive",
    "delivery",
    "dispatch",
    "mailbox",
    "queue",
    "reports",
    "tracking",
    "vacation",
)
# So do these journeys; twice all of them would take too long. Those of two nodes are on PostgreSQL anyway.
JOURNEYS_ON_BOTH = ("test_users", "test_clients")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=DATABASES, help="the one that all tests with a store use")
    parser.addoption("--messages", choices=MESSAGES, default="files", help="where all tests with a store keep messages")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes long beside what it adds to the others; scripts/long runs it")
    config.addinivalue_line("markers", "sqlite: what is tried holds on SQLite, or for a single process, only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("sqlite") or metafunc.config.getoption("database") is not None:
        return
    folder = metafunc.definition.path.parent.name
    if (folder in ON_BOTH and "store" in metafunc.fixturenames) or "configured" in metafunc.fixturenames:
        metafunc.parametrize("database", DATABASES, indirect=True)
    elif metafunc.definition.path.stem in JOURNEYS_ON_BOTH and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", DATABASES, indirect=True, scope="module")


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind that stores are opened on in this test."""
    chosen = getattr(request, "param", None) or request.config.getoption("database")
    Chosen.database = "sqlite" if request.node.get_closest_marker("sqlite") else chosen or "sqlite"
    Chosen.messages = request.config.getoption("messages")
    yield Chosen.database
    Chosen.drop()


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
