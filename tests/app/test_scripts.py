"""``scripts/run`` on a copy of the checkout, with the environment that is there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.app.running import BIN, CONFIGURATION

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Scripts and locks, and an environment that is up to date."""
    for name in ("scripts", "requirements", "twisted_plugins"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").mkdir()
    for entry in BIN.parent.iterdir():
        if not entry.name.startswith(".made-for-"):
            (tmp_path / ".venv" / entry.name).symlink_to(entry)
    state = subprocess.run(
        "cat requirements/run.lock pyproject.toml twisted_plugins/*.py | sha256sum | cut -d' ' -f1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / ".venv" / ".made-for-run").write_text(state.stdout)
    return tmp_path


def start(copy: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MPCONTINUITY_CONFIG"}
    return subprocess.Popen(
        [copy / "scripts" / "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=copy,
        env=environment,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)


def test_the_first_start_initialises_says_what_to_do_next_and_serves_until_sigterm(copy: Path) -> None:
    config = copy / "mpcontinuity.toml"
    config.write_text(CONFIGURATION)
    for first in (True, False):
        process = start(copy)
        said = read_until(process, "mpcontinuity.app.service ready")
        assert ("administrator: admin   password: " in said) is first
        assert "1. .venv/bin/mpcontinuity domain add" in said
        assert "2. .venv/bin/mpcontinuity user add" in said
        assert "3. .venv/bin/mpcontinuity status" in said
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=12)
        assert process.returncode == 0


def test_a_configuration_error_is_said_and_exit_1(copy: Path) -> None:
    (copy / "broken.toml").write_text("x = 1")
    process = start(copy, "--config", "broken.toml")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "broken.toml: x: unknown key" in said
    assert "Traceback" not in said


def test_wrong_usage_is_exit_2(copy: Path) -> None:
    process = start(copy, "--fly")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "usage: scripts/run [--config FILE]" in said


def test_a_benchmark_of_the_store_runs() -> None:
    cell = "--seconds 0.1 --turns 1 --sizes 4096 --sessions 1 --delays 0 --kinds ours"
    measured = subprocess.run(
        [CHECKOUT / "scripts" / "bench", "redirect", *cell.split()], capture_output=True, text=True, check=True
    )
    assert measured.stdout.splitlines()[0].startswith("| flush +ms | octets | sessions | ours /s |")
    assert len(measured.stdout.splitlines()) == 3
