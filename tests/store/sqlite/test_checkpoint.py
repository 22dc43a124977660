"""The WAL is copied into the database, and begins anew before it grows without bound."""

from __future__ import annotations

from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.store.sqlite import checkpoint
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, keep

_ENLARGE = Statement("UPDATE body SET prefix = :prefix WHERE id = :id")


def test_a_passive_checkpoint_follows_many_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_CHANGES", 10)
    executed: list[str] = []
    store = open_memory_like_store(
        tmp_path, driver=HookedDriver(data_folder(tmp_path) / DATABASE, lambda text: executed.append(text))
    )
    for _ in range(40):
        result(keep(store, b"x"))
    assert 2 <= sum("PASSIVE" in text for text in executed) <= 5
    assert not any("RESTART" in text for text in executed)


def test_the_writer_itself_restarts_a_wal_that_grew_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_CHANGES", 10)
    monkeypatch.setattr(checkpoint.Checkpoints, "_longest_frames", lambda self, longest: 20)
    store = open_memory_like_store(tmp_path)
    wal = tmp_path / "data" / (DATABASE + "-wal")
    sizes = []
    for _ in range(300):
        result(keep(store, b"x"))
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 200 * 4096
    assert len(result(bodies(store))) == 300


def test_few_rows_that_are_large_do_not_grow_the_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of a message may have a MiB: 4,096 such rows would be 4 GiB of WAL before the first checkpoint."""
    monkeypatch.setattr(checkpoint.Checkpoints.__init__, "__kwdefaults__", {"longest": 4 * MEGABYTE})
    store = open_memory_like_store(tmp_path)
    wal = tmp_path / "data" / (DATABASE + "-wal")

    def enlarge(tx: Transaction, body: Body) -> None:
        tx.run(_ENLARGE, prefix=b"x" * MEGABYTE, id=body.id)

    sizes = []
    for _ in range(40):
        result(keep(store, b"x", enlarge))
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 8 * MEGABYTE


def test_a_checkpoint_that_fails_stops_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_CHANGES", 5)

    def fail(text: str) -> None:
        if "wal_checkpoint" in text:
            raise sqlite.OperationalError("disk I/O error")

    store: Store = open_memory_like_store(tmp_path, driver=HookedDriver(data_folder(tmp_path) / DATABASE, fail))
    kept = [result(keep(store, b"x")) for _ in range(20)]
    assert result(bodies(store)) == kept
