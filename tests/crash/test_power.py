"""The loss of power that real processes meet: what was synced stays, what was not may go, in any part."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.power import Power, library

pytestmark = pytest.mark.skipif(library() is None, reason="no loss of power: there is no C compiler")

# Arguments: the folder. It dies of its own kill -9, as a server does of ours.
_PROCESS = """
import os, signal, sys
folder = sys.argv[1]
def create(name):
    return os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o600)
def sync_folder():
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
kept, renamed, replaced = create("kept"), create("before"), create("replaced")
os.pwrite(kept, b"A" * 4096, 0)
os.pwrite(renamed, b"R", 0)
os.pwrite(replaced, b"old", 0)
for file in (kept, renamed, replaced):
    os.fsync(file)
sync_folder()
os.pwrite(kept, b"B" * 2048, 1024)
os.pwrite(kept, b"C" * 512, 4096)
os.ftruncate(kept, 4352)
os.rename(os.path.join(folder, "before"), os.path.join(folder, "after"))
os.unlink(os.path.join(folder, "replaced"))
os.write(create("new"), b"N")
os.kill(os.getpid(), signal.SIGKILL)
"""


def _lose_power(folder: Path, seed: int, *, lies: str = "") -> dict[str, bytes]:
    """What is in the folder afterwards."""
    folder.mkdir()
    power = Power(folder, random.Random(seed), lies=lies)
    done = subprocess.run([sys.executable, "-S", "-c", _PROCESS, str(folder)], env=os.environ | power.environment)
    assert done.returncode < 0, done
    power.cut()
    assert not list(folder.parent.glob(f"{folder.name}.power*"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_synced_stays_and_what_was_not_may_be_lost_or_torn(tmp_path: Path) -> None:
    lives = [_lose_power(tmp_path / str(seed), seed) for seed in range(16)]
    for files in lives:
        content = files["kept"]
        assert 4096 <= len(content) <= 4608
        assert content[:1024] == b"A" * 1024
        assert content[3072:4096] == b"A" * 1024
        sectors = [content[start : start + 512] for start in range(1024, 3072, 512)]
        assert all(sector in (b"A" * 512, b"B" * 512) for sector in sectors)
        assert [files[name] for name in ("before", "after") if name in files] == [b"R"]
        assert files.get("replaced") in (None, b"old")
    contents = {files["kept"] for files in lives}
    assert b"A" * 4096 in contents  # all of it lost
    assert any(b"B" in content and b"A" in content[1024:3072] for content in contents)  # torn
    for name in ("before", "after", "replaced", "new"):
        assert {name in files for files in lives} == {True, False}, name


def test_a_disk_that_lies_loses_what_was_synced(tmp_path: Path) -> None:
    lives = [_lose_power(tmp_path / str(seed), seed, lies="kept") for seed in range(8)]
    assert any(files["kept"][:4096] != b"A" * 4096 and b"B" not in files["kept"] for files in lives)
