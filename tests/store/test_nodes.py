"""Several processes on one database, with a folder of packs that they share, or should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.nodes import everybody
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.upkeep import packs_folder
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.store.upkeep.retention import sweep
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, head, keep
from tests.store.upkeep.test_reconcile import reconciled, taken_by_home

PACKS = Statement("SELECT id, sealed FROM pack WHERE id > 0 ORDER BY id")

BACKEND = Statement("SELECT COUNT(*) FROM pg_stat_activity WHERE pid = :pid")

Open = Callable[..., Store]


@pytest.fixture
def start(tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """A process: the first opens the folder ``one``, others what they are told, all on the first one's database."""
    Chosen.database = "postgresql"
    opened: list[Store] = []

    def start_one(name: str = "one", **options: Any) -> Store:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        if Chosen.urls:
            Chosen.urls.setdefault(place / "data", next(iter(Chosen.urls.values())))
        opened.append(open_memory_like_store(place, clock=clock, seed=len(opened), **options))
        return opened[-1]

    yield start_one
    for store in opened:
        result(store.close())


def killed(store: Store) -> None:
    """What others see when its process is gone, once PostgreSQL has seen it too: it frees locks a moment later."""
    listener: Any = store.election
    backend = listener._connection.info.backend_pid
    listener._connection.close()
    listener._connection = None
    for _ in range(1000):
        if not result(store.read(lambda tx: tx.value(BACKEND, pid=backend))):
            return
        sleep(0.01)
    raise AssertionError("PostgreSQL has not seen the end of the connection within 10 s")


def packs(store: Store) -> dict[int, int]:
    """Whether each is sealed."""
    return dict(result(store.read(lambda tx: tx.all(PACKS))))


def test_each_process_appends_to_packs_of_its_own_and_reads_those_of_others(start: Open) -> None:
    first, second = start(), start()
    one, two = result(keep(first, b"one")), result(keep(second, b"two"))
    assert one.pack != two.pack
    assert [result(store.bodies.read_many([one, two])) for store in (first, second)] == [[b"one", b"two"]] * 2
    assert result(first.read(everybody)) == {first.nodes.us, second.nodes.us}


def test_a_pack_is_left_to_its_node_as_long_as_that_lives(start: Open) -> None:
    first, second = start(), start()
    each, body = taken_by_home(first, b"its commit may be under way")
    result(keep(first, b"another, so that its pack is known"))
    result(keep(second, b"two"))
    assert reconciled(second) == []
    assert set(packs(second).values()) == {0}
    killed(first)
    assert reconciled(second) == [(each, body, {"u@a.example": "relay"})]
    assert packs(second)[body.pack] == 1
    assert sum(packs(second).values()) == 1
    assert result(second.read(everybody)) == {first.nodes.us, second.nodes.us}
    result(reconcile(second, lambda *_: None))
    assert result(second.read(everybody)) == {second.nodes.us}


def test_a_pack_that_is_just_begun_is_nobody_elses(start: Open) -> None:
    first, second = start(), start()
    draft = first.bodies.draft()
    draft.write(b"no commit has named its pack yet")
    begun = first.packs.path(first.identifiers.next())
    begun.write_bytes(b"")
    result(reconcile(second, lambda *_: None))
    assert begun.exists()
    draft.discard()


def test_what_is_left_of_a_pack_without_a_row_is_dropped_after_a_day(start: Open, clock: ManualClock) -> None:
    first = start()
    begun = first.packs.path(first.identifiers.next())
    begun.write_bytes(b"")
    clock.advance(DAY / SECOND + 1)
    result(reconcile(first, lambda *_: None))
    assert not begun.exists()


def test_a_large_message_that_another_node_receives_stays_until_that_node_is_dead(start: Open) -> None:
    first, second = start(), start()
    drafts = [first.bodies.draft() for _ in range(2)]
    for draft in drafts:
        draft.write(b"x" * 2 * MEGABYTE)
    third = start()
    for store in (second, third):
        result(reconcile(store, lambda *_: None))
    assert len(list(second.packs.folder.glob("*.spool"))) == 2
    kept = result(first.keep(drafts[0], head(first), lambda tx, body: body))
    assert result(second.bodies.read(kept)) == b"x" * 2 * MEGABYTE
    killed(first)
    result(reconcile(second, lambda *_: None))
    assert not list(second.packs.folder.glob("*.spool"))
    assert result(second.bodies.read(kept)) == b"x" * 2 * MEGABYTE


def test_who_was_not_seen_for_a_moment_appends_to_new_packs(start: Open) -> None:
    first, second = start(), start()
    before = result(keep(first, b"before"))
    killed(first)
    result(reconcile(second, lambda *_: None))
    assert packs(second)[before.pack] == 1
    listener: Any = first.election
    for callback in listener._lost:  # what a thread of its own does when the connection is gone
        callback()
    after = result(keep(first, b"after"))
    assert after.pack != before.pack
    assert result(second.bodies.read_many([before, after])) == [b"before", b"after"]


def test_a_pack_that_another_node_unlinked_is_not_kept_open(start: Open, clock: ManualClock) -> None:
    first = start()
    gone = result(keep(first, b"x", keep_until=1))
    killed(first)
    first, second = start(), start()
    assert result(first.bodies.read(gone)) == b"x"
    clock.advance(92 * DAY / SECOND)
    result(reconcile(second, lambda *_: None))
    for _ in range(2):
        result(sweep(second))
        clock.advance(3600)
    assert not second.packs.path(gone.pack).exists()
    assert list(first.packs._open) == [gone.pack]
    first.packs.leave_gone()
    assert not first.packs._open
    assert result(bodies(first)) == []


def test_processes_that_share_the_folder_serve(start: Open) -> None:
    for _ in range(2):
        result(packs_folder.begin(start(), "files"))


@pytest.mark.parametrize("kept", [False, True])
def test_a_process_with_another_folder_is_refused_and_told_what_works(
    start: Open, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs_folder, "_PATIENCE", 0)
    first = start()
    result(packs_folder.begin(first, "files"))
    result(keep(first, b"x") if kept else first.run(lambda tx: None))
    with pytest.raises(Refused, match=r'share that folder between all servers .* messages = "database"'):
        result(packs_folder.begin(start("other"), "files"))
    result(packs_folder.begin(start(), "files"))


def test_with_messages_in_the_database_no_folder_is_shared_once_none_is_needed(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs_folder, "_PATIENCE", 0)
    first = start(messages="database")
    kept = result(keep(first, b"x" * 2 * MEGABYTE))
    second = start("other", messages="database")
    for store in (first, second):
        result(packs_folder.begin(store, "database"))
    assert result(second.bodies.read(kept)) == b"x" * 2 * MEGABYTE
    in_files = start("files")
    result(packs_folder.begin(in_files, "files"))
    result(keep(in_files, b"in a pack"))
    with pytest.raises(Refused, match="some messages are in that folder still"):
        result(packs_folder.begin(second, "database"))


def test_a_folder_that_was_restored_without_its_number_is_known_by_its_packs(start: Open) -> None:
    first = start()
    result(packs_folder.begin(first, "files"))
    result(keep(first, b"x"))
    number = first.packs.folder / packs_folder.FILE
    before = number.read_text()
    number.unlink()
    result(packs_folder.begin(start(), "files"))
    assert number.read_text() == before


def test_a_new_folder_in_the_place_of_an_empty_one_is_taken_when_nobody_uses_the_other(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs_folder, "_PATIENCE", 0)
    first = start()
    result(packs_folder.begin(first, "files"))
    result(first.run(lambda tx: None))
    killed(first)
    result(packs_folder.begin(start("other"), "files"))
