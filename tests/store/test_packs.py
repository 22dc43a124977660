"""Packs as files: what is written is found again, what is torn or damaged is told apart."""

from __future__ import annotations

from pathlib import Path

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.store.bodies import appender, layout
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.layout import Kind, Record
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.disk import File, RealDisk
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, head, keep

HEADS = st.builds(
    Head,
    id=st.integers(0, 2**63 - 1),
    time=st.integers(0, 2**62),
    direction=st.sampled_from(["inbound", "outbound", "append"]),
    reverse_path=st.text(max_size=20),
    recipients=st.lists(st.text(max_size=20), max_size=4).map(tuple),
    decisions=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    prefix=st.integers(0, 300),
    fingerprint=st.binary(max_size=16),
    subject=st.text(max_size=20),
    message_id=st.text(max_size=20),
)


def pack_of(entries: list[tuple[Head, bytes]]) -> bytes:
    text = layout.file_header(Kind.MAIL, 7, 20000)
    for each, content in entries:
        raw = layout.encode_head(each)
        text += layout.entry_header(Record.BODY, raw, len(content), crc32c.crc32c(content)) + content + raw
    return text


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@given(st.lists(st.tuples(HEADS, st.binary(max_size=200)), max_size=5), st.data())
def test_a_pack_torn_anywhere_gives_every_entry_before_the_tear(
    tmp_path: Path, entries: list[tuple[Head, bytes]], data: st.DataObject
) -> None:
    whole = pack_of(entries)
    cut = data.draw(st.integers(0, len(whole)))
    rest = data.draw(st.binary(max_size=60) | st.just(bytes(60)))
    file = RealDisk().open(written(tmp_path / "a.pack", whole[:cut] + rest))
    if cut >= layout.FILE_LENGTH:
        assert layout.read_file_header(file) == (Kind.MAIL, 7, 20000)
    found = [(entry.head(), file.read(entry.length, entry.offset)) for entry in layout.entries(file, Kind.MAIL)]
    complete = 0
    while len(pack_of(entries[: complete + 1])) <= cut and complete < len(entries):
        complete += 1
    assert found[:complete] == entries[:complete]
    assert len(found) <= complete + (rest != b"" and cut < len(whole))


@given(st.binary(max_size=300))
def test_a_file_that_is_no_pack_is_told_so(tmp_path: Path, content: bytes) -> None:
    assert layout.read_file_header(RealDisk().open(written(tmp_path / "a.pack", content))) is None


def damage(store: Store, body: Body, at: int) -> None:
    path = store.packs.path(body.pack)
    content = bytearray(path.read_bytes())
    content[body.offset + at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("size", [1000, 2 * MEGABYTE])
def test_a_damaged_message_is_named_and_stops_no_other(store: Store, size: int) -> None:
    kept = [result(keep(store, bytes([number]) * size)) for number in range(3)]
    damage(store, kept[1], size - 1)
    with pytest.raises(Corrupt) as caught:
        result(store.bodies.read(kept[1]))
    text = str(caught.value)
    assert identifier.show(kept[1].id) in text
    assert identifier.show(kept[1].pack) in text
    assert str(kept[1].offset) in text
    first, second, third = result(store.bodies.read_many(kept))
    assert (first, third) == (b"\x00" * size, b"\x02" * size)
    assert isinstance(second, Corrupt)


def test_a_large_message_read_in_pieces_is_checked_at_its_last(store: Store) -> None:
    body = result(keep(store, b"x" * 2 * MEGABYTE))
    content = store.bodies.content(body)
    assert result(content.read(0, MEGABYTE)) == b"x" * MEGABYTE
    assert result(content.read(MEGABYTE, MEGABYTE)) == b"x" * MEGABYTE
    damage(store, body, 5)
    content = store.bodies.content(body)
    assert len(result(content.read(0, MEGABYTE))) == MEGABYTE
    with pytest.raises(Corrupt):
        result(content.read(MEGABYTE, MEGABYTE))


@pytest.mark.parametrize("size", [100, 2 * MEGABYTE])
def test_home_is_not_sent_the_prefix(store: Store, size: int) -> None:
    draft = store.bodies.draft()
    draft.write(b"Return-Path: <a@b.example>\r\n" + b"x" * size)
    body = result(store.keep(draft, head(store, prefix=28), lambda tx, body: body))
    content = store.bodies.content(body, skip_prefix=True)
    assert content.length == size
    pieces = [result(content.read(start, 65536)) for start in range(0, size, 65536)]
    assert b"".join(pieces) == b"x" * size
    assert content.whole is None
    result(content.load())
    assert (content.whole is not None) == (size == 100)
    assert result(content.read(0, size)) == b"x" * size


def test_a_missing_pack_is_reported_as_corrupt(store: Store) -> None:
    body = result(keep(store, b"x"))
    store.packs.unlink(body.pack)
    with pytest.raises(Corrupt, match="is missing"):
        result(store.bodies.read(body))


def test_a_piece_outside_the_message_is_empty_or_shorter(store: Store) -> None:
    body = result(keep(store, b"0123456789"))
    assert result(store.bodies.read(body, 4, 6)) == b"45"
    assert result(store.bodies.read(body, 8, 100)) == b"89"
    assert result(store.bodies.read(body, 10)) == b""
    assert result(store.bodies.content(body).read(3, 4)) == b"3456"


def test_a_full_pack_is_followed_by_a_new_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender, "PACK_SIZE", 1000)
    kept = [result(keep(store, b"x" * 600)) for _ in range(5)]
    assert [kept.index(next(b for b in kept if b.pack == body.pack)) for body in kept] == [0, 0, 2, 2, 4]
    assert result(store.bodies.read_many(kept)) == [b"x" * 600] * 5


def test_messages_of_another_day_or_kind_have_packs_of_their_own(store: Store) -> None:
    kept = [
        result(keep(store, b"x", **options))
        for options in ({}, {"retention_days": 3}, {"kind": "draft"}, {}, {"retention_days": 3})
    ]
    packs = [body.pack for body in kept]
    assert packs[0] == packs[3]
    assert packs[1] == packs[4]
    assert len(set(packs)) == 3


@pytest.mark.parametrize("size", [100, 2 * MEGABYTE])
def test_what_home_refused_gives_back_the_room_of_a_large_message(store: Store, size: int) -> None:
    kept = result(keep(store, b"x" * 100))
    draft = store.bodies.draft()
    draft.write(b"y" * size)
    refused = result(store.bodies.keep(draft, head(store)))
    store.bodies.forget(refused.id)
    store.bodies.forget(kept.id)
    draft.discard()
    assert store.packs.path(refused.pack).exists() == (size == 100)
    assert result(store.bodies.read(kept)) == b"x" * 100


def test_a_message_that_was_being_received_leaves_nothing_behind_a_crash(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    result(keep(store, b"kept"))
    draft = store.bodies.draft()
    draft.write(b"x" * 2 * MEGABYTE)
    store._lock.release()  # type: ignore[union-attr]  # as the kernel does for a process that is gone
    again = open_memory_like_store(tmp_path)
    assert not list(again.packs.folder.glob("*.spool"))
    assert [result(again.bodies.read(body)) for body in result(bodies(again))] == [b"kept"]


class Watched(RealDisk):
    """Somebody lists the folder at the moment when a pack appears in it."""

    def __init__(self) -> None:
        self.packs: Packs | None = None
        self.busy: list[bool] = []

    def create(self, path: Path) -> File:
        file = super().create(path)
        assert self.packs is not None
        self.busy += [number in self.packs.busy(0) for number in self.packs.numbers()]
        return file


def test_a_pack_is_known_to_be_appended_to_before_anybody_can_find_it_empty(tmp_path: Path) -> None:
    """Else reconciliation drops it at a start, and what is appended meanwhile is lost."""
    disk, clock = Watched(), ManualClock()
    disk.packs = Packs(tmp_path, disk, Identifiers(clock, SystemRandomness()), clock)
    disk.packs.create(Kind.MAIL, 20000)
    assert disk.busy == [True]


def test_a_pack_that_cannot_be_created_is_not_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, clock = RealDisk(), ManualClock()
    packs = Packs(tmp_path, disk, Identifiers(clock, SystemRandomness()), clock)

    def full(path: Path) -> File:
        raise OSError("no room")

    monkeypatch.setattr(disk, "create", full)
    with pytest.raises(OSError, match="no room"):
        packs.create(Kind.MAIL, 20000)
    assert packs.busy(0) == set()
