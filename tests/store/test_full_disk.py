"""A file system that really fills up: a small tmpfs, mounted by the test where it may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.store import Store
from tests.fakes.stores import data_folder, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, keep


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MiB, of which an empty database takes a tenth."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(store: Store, kept: list[Body], content: bytes) -> Exception:
    """Keeps messages until one is refused."""
    while True:
        try:
            kept.append(result(keep(store, content)))
        except Temporary as error:
            return error


@pytest.mark.parametrize("size", [100, 100_000, MEGABYTE + 100_000])
def test_pack_wal_and_database_fill_the_disk_and_nothing_is_lost(small_disk: Path, size: int) -> None:
    """Small messages fill it through the WAL and large ones through packs."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * MEGABYTE)
    store = open_memory_like_store(small_disk)
    kept: list[Body] = []
    content = b"x" * size
    assert isinstance(fill(store, kept, content), Full)
    assert isinstance(fill(store, kept, content), Full)
    before = len(kept)
    assert before
    ballast.unlink()
    assert isinstance(fill(store, kept, content), Full)
    assert len(kept) > before
    assert result(bodies(store)) == kept
    assert set(result(store.bodies.read_many(kept[-1000:]))) == {content}


def test_a_start_on_a_full_disk_finds_everything_that_was_answered(small_disk: Path) -> None:
    store = open_memory_like_store(small_disk)
    kept: list[Body] = []
    fill(store, kept, b"x" * 50_000)
    result(store.close())
    again = open_memory_like_store(small_disk)
    assert result(bodies(again)) == kept
    assert set(result(again.bodies.read_many(kept))) == {b"x" * 50_000}
    with pytest.raises(Temporary):
        result(keep(again, b"y" * MEGABYTE))
    result(again.close())
    assert (data_folder(small_disk) / "packs").exists()
