"""A damaged index of the archive is found, made again from the messages, and then finds them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mpcontinuity.archive.indexing import Indexing
from tests.archive.archived import subjects
from tests.check.damaged import Damaged
from tests.fakes.jobs import Here
from tests.fakes.stores import result


@pytest.fixture
def indexed(damaged: Damaged) -> Damaged:
    """All that is archived is in the index, and the watermark is above it."""
    damaged.clock.advance(3600)
    damaged.serve()
    assert result(Indexing(damaged.store, Here()).bring_up(0)) == 3
    damaged.stop()
    assert damaged.check().clean
    return damaged


def flip(damaged: Damaged) -> None:
    [[data]] = damaged.execute("SELECT data FROM archive_block LIMIT 1")
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    damaged.execute("UPDATE archive_block SET data = ?", bytes(changed))


DAMAGE: dict[str, Callable[[Damaged], object]] = {
    "a bit": flip,
    "no block": lambda damaged: damaged.execute("DELETE FROM archive_block"),
    "no place": lambda damaged: damaged.execute("DELETE FROM archive_place"),
    "no segment": lambda damaged: damaged.execute("DELETE FROM archive_segment"),
    "a place too few": lambda damaged: damaged.execute("UPDATE archive_segment SET messages = messages + 1"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_the_index_is_made_again(indexed: Damaged, kind: str) -> None:
    DAMAGE[kind](indexed)
    found = indexed.check()
    assert [one.kind for one in found.faults] == ["index"], found.text
    assert found.totals["repaired"] == 0
    repaired = indexed.repair()
    assert repaired.repaired
    assert "3 messages are indexed again" in repaired.text
    assert indexed.check().clean
    indexed.serve()
    assert sorted(subjects(indexed.store, "text")) == sorted(subjects(indexed.store, ""))
    assert len(subjects(indexed.store, "text")) == 3
    indexed.stop()


def test_what_is_above_the_watermark_is_no_fault(damaged: Damaged) -> None:
    assert damaged.check().clean
