"""A store with four messages: two redirected, one taken by home, one appended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.damaged import Damaged
from tests.conftest import DATABASES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.definition.get_closest_marker("sqlite") or metafunc.config.getoption("database")
    if chosen is None and "damaged" in metafunc.fixturenames:
        metafunc.parametrize("database", DATABASES, indirect=True)


@pytest.fixture
def damaged(tmp_path: Path, database: str) -> Damaged:
    """Closed."""
    made = Damaged(tmp_path)
    made.redirect("one")
    made.redirect("two", "ann@example.org", "bob@example.org")
    made.relay("three")
    made.append("four")
    made.stop()
    return made
