"""One process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.lock import held, lock
from tests.fakes.stores import open_memory_like_store, result


def test_a_second_opening_is_refused_with_the_owners_process(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    with pytest.raises(Refused, match=f"process {os.getpid()}"):
        open_memory_like_store(tmp_path)
    assert held(tmp_path / "data")
    result(store.close())
    assert not held(tmp_path / "data")
    result(open_memory_like_store(tmp_path).close())


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = "import sys, pathlib; from mpcontinuity.store.lock import lock; l = lock(pathlib.Path(sys.argv[1]));"
    child = subprocess.Popen(
        [sys.executable, "-c", program + "print('locked', flush=True); sys.stdin.read()", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(Refused, match=f"process {child.pid}"):
            lock(tmp_path)
        child.kill()
    lock(tmp_path).release()


def test_a_folder_that_is_not_there_is_not_in_use(tmp_path: Path) -> None:
    assert not held(tmp_path / "nowhere")
