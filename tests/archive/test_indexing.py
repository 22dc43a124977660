"""How the index keeps up with the archive: nothing is missed, whatever commits when and whatever a child does."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.archive import index, indexing
from mpcontinuity.archive.index import LATE, Segment
from mpcontinuity.archive.indexing import Indexing, to_join
from mpcontinuity.children.pool import Died
from mpcontinuity.model.clock import DAY, HOUR, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.archive.archived import archive, bring_up, find, join, subjects, text
from tests.fakes.clock import START, ManualClock
from tests.fakes.jobs import Here
from tests.fakes.stores import Chosen, result

_INSERT = Statement(
    """INSERT INTO archive (id, domain, body, time, direction, sender, recipients, subject, size, expires)
    SELECT :id, 1, body, :time, 'inbound', 'a@x', '["b@y"]', 'late', 10, expires FROM archive LIMIT 1"""
)
_DELETE = Statement("DELETE FROM archive WHERE subject = :subject")
_BLOCKS = Statement("SELECT COUNT(*) FROM archive_block")


def commit_late(store: Store, time: int) -> None:
    """A row whose id was made then becomes visible now."""
    result(store.run(lambda tx: tx.run(_INSERT, id=first_at(time), time=time)))


def segments(store: Store) -> list[Segment]:
    return result(store.read(index.all_segments))


def test_what_is_archived_while_the_index_is_made_is_found_and_indexed_next(store: Store) -> None:
    archive(store, text("one"))
    assert bring_up(store) == 1
    archive(store, text("two"))
    assert subjects(store, "subject:two") == ["two"]
    assert (bring_up(store), bring_up(store)) == (1, 0)
    assert sorted(subjects(store, "")) == ["one", "two"]


def test_the_watermark_stays_behind_for_what_commits_late(store: Store, clock: ManualClock) -> None:
    archive(store, text("one"))
    clock.advance(60)
    bring_up(store)
    assert result(store.read(index.watermark)) < first_at(clock.now() - LATE)
    commit_late(store, clock.now() - LATE + SECOND)
    assert subjects(store, "late") == ["late"]
    assert bring_up(store, after=result(store.read(index.watermark))) == 1
    assert subjects(store, "late") == ["late"]


def test_what_commits_below_the_watermark_is_found_by_the_look_over_all(store: Store, clock: ManualClock) -> None:
    archive(store, text("one"))
    clock.advance(3600)
    bring_up(store)
    commit_late(store, START + HOUR - 2 * LATE)
    assert bring_up(store, after=result(store.read(index.watermark))) == 0
    assert bring_up(store, after=0) == 1
    assert subjects(store, "late") == ["late"]


def test_a_look_at_the_newest_alone_does_not_raise_the_watermark(store: Store, clock: ManualClock) -> None:
    archive(store, text("one"))
    clock.advance(3600)
    archive(store, text("two"))
    bring_up(store, after=first_at(clock.now() - SECOND))
    assert result(store.read(index.watermark)) == 0
    assert sorted(subjects(store, "x.example")) == ["one", "two"]


def test_a_message_that_kills_the_child_is_indexed_by_its_row(store: Store) -> None:
    for number in range(4):
        archive(store, text(f"message {number}", f"word{number}"))
    # All four, both halves and what is alone first: then the others are read.
    assert bring_up(store, jobs=Here(dying=3)) == 4
    assert subjects(store, "word0") == []
    assert subjects(store, "subject:0 to:bert@example.org") == ["message 0"]
    assert [subjects(store, f"word{number}") for number in (1, 2, 3)] == [["message 1"], ["message 2"], ["message 3"]]
    assert sum(one.partly for one in segments(store)) == 1


def test_without_any_child_nothing_is_taken_for_indexed(store: Store, clock: ManualClock) -> None:
    archive(store, text("one"))
    clock.advance(3600)
    with pytest.raises(Died):
        bring_up(store, jobs=Here(dying=100))
    assert (segments(store), result(store.read(index.watermark))) == ([], 0)
    assert bring_up(store) == 1


def test_a_damaged_message_is_indexed_by_its_row(store: Store) -> None:
    if Chosen.messages == "database":
        pytest.skip("there is no pack to damage")
    body = archive(store, text("damaged", "inside"))
    path = store.packs.path(body.pack)
    content = bytearray(path.read_bytes())
    content[body.offset + body.length - 3] ^= 1
    path.write_bytes(content)
    assert bring_up(store) == 1
    assert (subjects(store, "damaged"), subjects(store, "inside")) == (["damaged"], [])


def test_a_large_message_is_read_in_pieces(store: Store) -> None:
    archive(store, text("large", "begin " + "filler " * 100_000 + "end"))
    bring_up(store)
    assert subjects(store, "begin filler end larger:600k") == ["large"]


def test_small_segments_become_one_and_days_stay_apart(store: Store, clock: ManualClock) -> None:
    for number in range(10):
        archive(store, text(f"one {number}"))
        bring_up(store)
    archive(store, text("another day"), time=START - 2 * DAY)
    archive(store, text("shorter kept"), days=7)
    bring_up(store)
    assert len(segments(store)) == 12
    assert (join(store), join(store)) == (True, False)
    assert sorted(one.messages for one in segments(store)) == [1, 1, 1, 1, 8]
    assert len(find(store, "").rows) == 12
    clock.advance(3 * 86_400)
    assert join(store)
    assert sorted(one.messages for one in segments(store)) == [1, 1, 10]
    assert sorted(subjects(store, "one")) == [f"one {number}" for number in range(10)]


def test_blocks_of_what_is_joined_are_dropped(store: Store) -> None:
    for number in range(8):
        archive(store, text(f"one {number}"))
        bring_up(store)
    join(store)
    assert result(store.read(lambda tx: tx.value(_BLOCKS))) == sum(one.blocks for one in segments(store))


def test_a_segment_goes_with_the_last_of_its_messages(store: Store) -> None:
    archive(store, text("stays"))
    bring_up(store)
    archive(store, text("goes"))
    bring_up(store)
    result(store.run(lambda tx: tx.run(_DELETE, subject="goes")))
    assert subjects(store, "goes") == []
    result(Indexing(store, Here()).drop_gone())
    assert [one.messages for one in segments(store)] == [1]
    assert subjects(store, "") == ["stays"]


def test_a_segment_is_made_anew_without_what_is_gone(store: Store) -> None:
    for subject in ("stays", "goes"):
        archive(store, text(subject, "common"))
    bring_up(store)
    result(store.run(lambda tx: tx.run(_DELETE, subject="goes")))
    assert subjects(store, "common") == ["stays"]
    result(Indexing(store, Here()).drop_gone())
    assert [one.messages for one in segments(store)] == [1]
    assert subjects(store, "common") == ["stays"]


def test_blocks_that_another_process_dropped_make_no_segment(store: Store) -> None:
    archive(store, text("one"))
    new = Segment(1, 1, 1, 1, 1, 1, 1, 1, blocks=2, octets=1, partly=0)
    with pytest.raises(Temporary):
        result(store.run(partial(index.add, new=new, places=[(1, 1)])))
    assert segments(store) == []


def test_two_processes_that_index_at_once_show_no_message_twice(store: Store) -> None:
    archive(store, text("one"))
    result(Indexing(store, Here())._add(result(store.read(partial(index.ids_above, after=0)))))
    result(Indexing(store, Here())._add(result(store.read(partial(index.ids_above, after=0)))))
    assert len(segments(store)) == 2
    assert subjects(store, "one") == ["one"]


def test_many_messages_of_many_hours_are_indexed_in_windows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "WINDOW", 7)
    monkeypatch.setattr(indexing, "BATCH", 3)
    for number in range(30):
        archive(store, text(f"n{number}"))
    assert bring_up(store) == 30
    assert len(find(store, "").rows) == 30


def test_segments_of_one_size_are_joined_eight_at_a_time() -> None:
    made = [Segment(n, 5, 95, 10, n, n, n, n, 1, 100, 0) for n in range(9)]
    assert to_join(made[:7], today=5) == []
    assert len(to_join(made, today=5)) == 8
    assert to_join([*made[:3]], today=7) == made[:3]
    assert to_join(made[:1], today=7) == []
    large = [Segment(n, 5, 95, 9_000, n, n, n, n, 1, 100, 0) for n in range(9)]
    assert to_join(large, today=50) == []


def test_blocks_of_a_segment_that_came_into_no_index_are_dropped(store: Store) -> None:
    archive(store, text("stays"))
    bring_up(store)
    result(store.run(partial(index.add_blocks, of=5, blocks=[(b"a", b"x"), (b"b", b"x")])))
    result(store.run(partial(index.add_blocks, of=1 << 62, blocks=[(b"a", b"x")])))
    result(Indexing(store, Here()).drop_gone())
    assert result(store.read(lambda tx: tx.value(_BLOCKS))) == sum(one.blocks for one in segments(store))
    assert subjects(store, "stays") == ["stays"]


def test_segments_over_which_the_child_dies_stay_apart_and_hold_up_no_others(store: Store) -> None:
    for number in range(8):
        archive(store, text(f"one {number}"))
        bring_up(store)
    dying = Indexing(store, Here(dying=1))
    assert (result(dying.join()), result(dying.join())) == (True, False)
    assert len(segments(store)) == 8
    assert join(store)
    assert len(segments(store)) == 1
