"""What home took although the commit failed comes back into the index from its pack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.store.bodies import appender
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.reconcile import reconcile
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result
from tests.store.messages import MEGABYTE, PACKS, bodies, head, keep

Repaired = list[tuple[Head, Body, dict[str, str]]]


def taken_by_home(store: Store, content: bytes) -> tuple[Head, Body]:
    """Kept and handed to home, and then the commit fails."""
    draft = store.bodies.draft()
    draft.write(content)
    each = head(store, recipients=("u@a.example",), subject="Hello")
    body = result(store.bodies.keep(draft, each))
    store.bodies.outcome(body.id, {"u@a.example": "relay"})
    return each, body


def reconciled(store: Store) -> Repaired:
    repaired: Repaired = []

    def repair(tx: Transaction, head: Head, body: Body, decisions: Mapping[str, str]) -> None:
        repaired.append((head, body, dict(decisions)))

    count = result(reconcile(store, repair))
    assert count >= len(repaired)
    return repaired


@pytest.mark.parametrize("size", [1000, 2 * MEGABYTE])
def test_a_message_that_home_took_is_repaired_at_the_next_start_and_only_once(tmp_path: Path, size: int) -> None:
    store = open_memory_like_store(tmp_path)
    result(keep(store, b"indexed"))
    each, body = taken_by_home(store, b"x" * size)
    result(keep(store, b"indexed too"))
    result(store.close())
    for expected in ([(each, body, {"u@a.example": "relay"})], []):
        store = open_memory_like_store(tmp_path)
        assert reconciled(store) == expected
        assert body in result(bodies(store))
        assert result(store.bodies.read(body)) == b"x" * size
        result(store.close())


def test_what_home_did_not_take_is_garbage(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    draft = store.bodies.draft()
    draft.write(b"refused by home")
    result(store.bodies.keep(draft, head(store)))
    result(store.close())
    store = open_memory_like_store(tmp_path)
    assert reconciled(store) == []
    assert result(bodies(store)) == []


def test_an_outcome_in_a_later_pack_than_its_message_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender, "PACK_SIZE", 100)
    store = open_memory_like_store(tmp_path)
    draft = store.bodies.draft()
    draft.write(b"x" * 200)
    each = head(store)
    body = result(store.bodies.keep(draft, each))
    result(keep(store, b"another"))
    store.bodies.outcome(body.id, {})
    result(store.close())
    assert [repaired[1] for repaired in reconciled(open_memory_like_store(tmp_path))] == [body]


def test_packs_in_use_are_left_alone_until_long_after_their_last_entry(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, body = taken_by_home(store, b"x")
    assert reconciled(store) == []
    monkeypatch.setattr(appender, "PACK_SIZE", 1)
    result(keep(store, b"begins a new pack"))
    assert reconciled(store) == []
    clock.advance(10 * MINUTE / 1_000_000)
    assert [repaired[1] for repaired in reconciled(store)] == [body]
    assert [row[3] for row in result(store.read(lambda tx: tx.all(PACKS)))] == [1, 0]


def test_a_damaged_entry_is_left_out_and_stops_no_other(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    _, damaged = taken_by_home(store, b"x" * 100)
    _, sound = taken_by_home(store, b"y" * 100)
    result(store.close())
    path = store.packs.path(damaged.pack)
    content = bytearray(path.read_bytes())
    content[damaged.offset] ^= 1
    path.write_bytes(content)
    store = open_memory_like_store(tmp_path)
    assert [repaired[1] for repaired in reconciled(store)] == [sound]
    assert result(bodies(store)) == [sound]


def test_a_file_whose_row_was_never_committed_is_recorded_or_dropped(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    draft = store.bodies.draft()
    draft.write(b"no commit follows")
    body = result(store.bodies.keep(draft, head(store)))
    empty = store.packs.path(store.identifiers.next())
    empty.write_bytes(b"")
    result(store.close())
    store = open_memory_like_store(tmp_path)
    assert reconciled(store) == []
    assert [row[0] for row in result(store.read(lambda tx: tx.all(PACKS)))] == [body.pack]
    assert not empty.exists()
