"""A bench that nobody has run for a while runs still."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.long
def test_the_bench_of_the_web_has_all_its_pages_answered(tmp_path: Path) -> None:
    """A short slice of it, of which no figure is looked at."""
    few = ("--sessions=4", "--messages=120", "--every=0.5", "--seconds=2", "--turns=1", "--streams=2")
    command = [sys.executable, "-m", "scripts.benches.web", *few, f"--folder={tmp_path}"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not answered 200: 0" in done.stdout
    assert "too few" not in done.stdout
