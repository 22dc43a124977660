"""A store with four messages: two redirected, one taken by home, one appended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control.check.damaged import Damaged


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    """Closed."""
    made = Damaged(tmp_path)
    made.redirect("one")
    made.redirect("two", "ann@example.org", "bob@example.org")
    made.relay("three")
    made.append("four")
    made.stop()
    return made
