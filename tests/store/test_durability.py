"""In which order a message becomes durable, and what a full disk does to it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.disk import FullDisk, HookedDisk
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, head, keep, the_body


class DatabaseFull(sqlite.OperationalError):  # type: ignore[misc]
    sqlite_errorcode = 13


class Trace:
    """Everything that is done to packs and to the database, in order."""

    def __init__(self, tmp_path: Path) -> None:
        self.steps: list[str] = []
        disk = HookedDisk(lambda operation, name: self.steps.append(f"{operation} {name.rpartition('.')[2]}"))
        driver = HookedDriver(
            data_folder(tmp_path) / DATABASE, lambda text: self.steps.append(text.split(" VALUES")[0])
        )
        self.store = open_memory_like_store(tmp_path, disk=disk, driver=driver)

    def of(self, size: int) -> list[str]:
        self.steps.clear()
        keep(self.store, b"x" * size).addCallback(lambda _: self.steps.append("the Deferred fires"))
        return [step for step in self.steps if "INTO pack" not in step and not step.startswith("PRAGMA")]


INDEX = ['INSERT INTO body (id, pack, "offset", length, prefix, crc, keep_until)', "COMMIT", "the Deferred fires"]


def test_pack_sync_then_index_commit_then_the_deferred(tmp_path: Path) -> None:
    trace = Trace(tmp_path)
    new_file = ["create pack", "write pack", "sync pack", "sync folder packs"]
    assert trace.of(4096) == [*new_file, "write pack", "sync pack", "BEGIN IMMEDIATE", *INDEX]
    assert trace.of(4096) == ["write pack", "sync pack", "BEGIN IMMEDIATE", *INDEX]


def test_a_large_message_and_its_name_are_synced_before_the_index_commit(tmp_path: Path) -> None:
    steps = Trace(tmp_path).of(3 * MEGABYTE)
    assert steps[:2] == ["create spool", "write spool"]
    assert steps[-7:] == ["sync spool", "rename pack", "sync folder packs", "BEGIN IMMEDIATE", *INDEX]


@pytest.mark.parametrize("size", [4096, 3 * MEGABYTE])
def test_a_full_disk_refuses_the_message_and_loses_none(tmp_path: Path, size: int) -> None:
    disk = FullDisk()
    store = open_memory_like_store(tmp_path, disk=disk)
    first = result(keep(store, b"first" * size))
    disk.full = True
    for _ in range(3):
        with pytest.raises(Full):
            result(keep(store, b"second" * size))
    assert store.bodies.spooled == 0
    disk.full = False
    third = result(keep(store, b"third" * size))
    assert result(bodies(store)) == [first, third]
    assert result(store.bodies.read_many([first, third])) == [b"first" * size, b"third" * size]
    result(store.close())
    assert not list((tmp_path / "data/packs").glob("*.spool"))


@pytest.mark.parametrize("operation", ["sync", "rename", "sync folder"])
@pytest.mark.parametrize("size", [4096, 3 * MEGABYTE])
def test_a_disk_that_fails_refuses_the_message_and_its_pack_is_not_used_again(
    tmp_path: Path, size: int, operation: str
) -> None:
    failing = False

    def hook(name: str, _: str) -> None:
        if failing and name == operation:
            raise OSError(5, "Input/output error")

    store = open_memory_like_store(tmp_path, disk=HookedDisk(hook))
    first = result(keep(store, b"x" * 1000))
    failing = True
    if size > MEGABYTE or operation == "sync":
        with pytest.raises(Temporary):
            result(keep(store, b"y" * size))
    failing = False
    second = result(keep(store, b"z" * size))
    assert result(bodies(store)) == [first, second]
    assert result(store.bodies.read_many([first, second])) == [b"x" * 1000, b"z" * size]
    assert (first.pack == second.pack) == (operation != "sync" and size < MEGABYTE)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT INTO pack", "INSERT INTO body", "COMMIT"])
def test_a_full_database_refuses_the_message_and_goes_on_when_there_is_room(tmp_path: Path, statement: str) -> None:
    full = False

    def hook(text: str) -> None:
        if full and text.startswith(statement):
            raise DatabaseFull("database or disk is full")

    store = open_memory_like_store(tmp_path, driver=HookedDriver(data_folder(tmp_path) / DATABASE, hook))
    full = True
    with pytest.raises(Full):
        result(keep(store, b"one"))
    full = False
    kept = result(keep(store, b"two"))
    assert result(bodies(store)) == [kept]
    assert result(store.bodies.read(kept)) == b"two"


def test_a_database_that_may_not_grow_refuses_the_message_and_keeps_all_before(tmp_path: Path) -> None:
    folder = data_folder(tmp_path)
    pages: list[int] = []

    class Small(HookedDriver):
        def connect(self, *, writes: bool):  # type: ignore[no-untyped-def]
            connection = super().connect(writes=writes)
            if writes:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA max_page_count = {pages[0]}" if pages else "PRAGMA max_page_count")
                cursor.fetchall()
            return connection

    with sqlite.connect(str(folder / DATABASE)) as connection:
        pages.append(connection.execute("PRAGMA page_count").fetchone()[0] + 2)
    store = open_memory_like_store(tmp_path, driver=Small(folder / DATABASE, lambda text: None))
    kept: list[Body] = []
    while len(kept) < 1000:
        try:
            kept.append(result(keep(store, b"x")))
        except Full:
            break
    assert 1 < len(kept) < 1000
    assert result(bodies(store)) == kept
    result(store.close())
    pages.clear()
    again = open_memory_like_store(tmp_path)
    kept.append(result(keep(again, b"x")))
    assert set(result(bodies(again))) == set(kept)


class TestRoom:
    """The cap on messages being received, and the floor of free space."""

    def test_no_message_is_begun_below_the_floor_of_free_space(self, tmp_path: Path) -> None:
        disk = HookedDisk(lambda operation, name: None)
        clock = ManualClock()
        store = open_memory_like_store(tmp_path, disk=disk, clock=clock, room=Room(floor=1000))
        disk.free_octets = 999
        with pytest.raises(Full):
            store.bodies.draft()
        disk.free_octets = 1000
        store.bodies.draft().write(b"x")
        clock.advance(2)
        disk.free_octets = 999
        with pytest.raises(Full):
            store.bodies.draft()

    @pytest.mark.parametrize("size", [900, 3 * MEGABYTE])
    def test_what_is_under_way_and_what_came_since_counts_too(self, tmp_path: Path, size: int) -> None:
        """In the same second, and without a sync: two fit, however they are on their way."""
        disk = HookedDisk(lambda operation, name: None)
        store = open_memory_like_store(tmp_path, disk=disk, room=Room(floor=10_000))
        disk.free_octets = 10_000 + 2 * size
        first, second = store.bodies.draft(announced=size), store.bodies.draft()
        with pytest.raises(Full):
            store.bodies.draft(announced=size + 1)
        for draft in (first, second):
            draft.write(b"x" * size)
            disk.free_octets -= size if size > MEGABYTE else 0  # it is in its spool
        store.bodies.draft().discard()
        with pytest.raises(Full):
            store.bodies.draft(announced=1)
        first.discard()
        disk.free_octets += size if size > MEGABYTE else 0
        store.bodies.draft(announced=size).discard()
        result(store.keep(second, head(store), the_body))
        disk.free_octets = 10_000
        with pytest.raises(Full):  # nobody has measured since, and it counts
            store.bodies.draft(announced=1)

    def test_who_announces_much_and_sends_nothing_takes_no_more_room_than_all_may_hold(self, tmp_path: Path) -> None:
        disk = HookedDisk(lambda operation, name: None)
        clock = ManualClock()
        store = open_memory_like_store(tmp_path, disk=disk, clock=clock, room=Room(spool=10_000, floor=1000))
        disk.free_octets = 30_000
        drafts = [store.bodies.draft(announced=9000) for _ in range(10)]
        disk.free_octets = 11_500
        clock.advance(2)
        store.bodies.draft(announced=500).discard()
        with pytest.raises(Full):
            store.bodies.draft(announced=501)
        for draft in drafts:
            draft.discard()
        store.bodies.draft(announced=9000).discard()

    def test_a_message_of_which_nobody_said_how_much_it_is_ends_where_the_floor_is(self, tmp_path: Path) -> None:
        disk = HookedDisk(lambda operation, name: None)
        store = open_memory_like_store(tmp_path, disk=disk, room=Room(floor=MEGABYTE))
        disk.free_octets = 10 * MEGABYTE
        draft = store.bodies.draft()
        with contextlib.suppress(Full):
            for _ in range(200):
                draft.write(b"x" * 100_000)
                disk.free_octets -= 100_000
        assert 8 * MEGABYTE < draft.size < 11 * MEGABYTE
        draft.discard()
        assert store.bodies.spooled == 0

    def test_drafts_together_hold_no_more_than_the_cap(self, tmp_path: Path) -> None:
        store = open_memory_like_store(tmp_path, room=Room(spool=10_000, floor=0))
        drafts = [store.bodies.draft() for _ in range(3)]
        for draft in drafts[:2]:
            draft.write(b"x" * 4000)
        with pytest.raises(Full):
            drafts[2].write(b"x" * 4000)
        drafts[0].discard()
        drafts[2].write(b"x" * 6000)
        with pytest.raises(Full):
            store.bodies.draft()
        drafts[2].discard()
        drafts[2].discard()
        assert store.bodies.spooled == 4000

    def test_a_draft_that_is_forgotten_gives_back_its_room(self, store: Store) -> None:
        draft = store.bodies.draft()
        draft.write(b"x" * 2 * MEGABYTE)
        folder = store.packs.folder
        assert len(list(folder.glob("*.spool"))) == 1
        del draft
        assert store.bodies.spooled == 0
        assert not list(folder.glob("*.spool"))

    def test_what_is_kept_no_longer_counts(self, store: Store) -> None:
        for size in (10, 2 * MEGABYTE):
            result(keep(store, b"x" * size))
            assert store.bodies.spooled == 0
