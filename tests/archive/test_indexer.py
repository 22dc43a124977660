"""The service that indexes beside the mail: when it looks, how it yields, and how it ends."""

from __future__ import annotations

import pytest

from mpcontinuity.archive import index, indexing
from mpcontinuity.archive.indexer import EVERY, Indexer
from mpcontinuity.model.identifier import first_at
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.archive.archived import archive, subjects, text
from tests.fakes.clock import ManualClock
from tests.fakes.jobs import Here
from tests.fakes.stores import result

_LATE = Statement(
    """INSERT INTO archive (id, domain, body, time, direction, sender, subject, size, expires)
    SELECT :id, 1, body, time, 'inbound', 'a@x', 'late', 10, expires FROM archive LIMIT 1"""
)


@pytest.fixture
def indexer(store: Store, clock: ManualClock) -> Indexer:
    return Indexer(store, Here(), clock)


def pass_(clock: ManualClock, seconds: float) -> None:
    """In small steps, so that what rests goes on."""
    for _ in range(round(seconds / 0.5)):
        clock.advance(0.5)


def test_what_was_archived_is_indexed_within_seconds(store: Store, clock: ManualClock, indexer: Indexer) -> None:
    archive(store, text("before"))
    indexer.start()
    pass_(clock, 1)
    assert indexer.indexed == 1
    archive(store, text("after"))
    pass_(clock, EVERY + 1)
    assert indexer.indexed == 2
    indexer.stop()


def test_what_commits_below_the_watermark_is_indexed_within_the_hour(
    store: Store, clock: ManualClock, indexer: Indexer
) -> None:
    archive(store, text("one"))
    indexer.start()
    pass_(clock, 1200)
    late = first_at(clock.now()) - (first_at(clock.now()) - result(store.read(index.watermark))) - 5
    result(store.run(lambda tx: tx.run(_LATE, id=late)))
    pass_(clock, 100)
    assert indexer.indexed == 1
    pass_(clock, 2500)
    assert indexer.indexed == 2
    assert subjects(store, "late") == ["late"]
    indexer.stop()


def test_while_mail_comes_in_it_rests_longer_than_it_works(
    store: Store, clock: ManualClock, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "BATCH", 10)
    for number in range(60):
        archive(store, text(f"n{number}"))
    indexer.start()
    clock.advance(0.02)
    busy = len(result(store.read(index.all_segments)))
    pass_(clock, 5)
    indexer.stop()
    quiet = Indexer(store, Here(), clock)
    for number in range(60):
        archive(store, text(f"m{number}"))
    clock.advance(3)
    before = sum(one.messages for one in result(store.read(index.all_segments)))
    quiet.start()
    clock.advance(0.02)
    after = sum(one.messages for one in result(store.read(index.all_segments)))
    assert (busy, after - before) == (1, 20)
    quiet.stop()


def test_after_a_child_that_cannot_be_had_it_tries_again(store: Store, clock: ManualClock) -> None:
    indexer = Indexer(store, Here(dying=2), clock)
    archive(store, text("one"))
    indexer.start()
    assert indexer.indexed == 0
    pass_(clock, 40)
    assert indexer.indexed == 1
    indexer.stop()


def test_stopped_it_does_nothing_more(store: Store, clock: ManualClock, indexer: Indexer) -> None:
    indexer.start()
    indexer.stop()
    archive(store, text("one"))
    pass_(clock, 100)
    assert indexer.indexed == 0
    assert clock.getDelayedCalls() == []


def test_after_a_jump_back_it_goes_on_looking_at_all_and_its_watermark_follows(
    store: Store, clock: ManualClock, indexer: Indexer
) -> None:
    """The index of a clock that was ten days ahead does not reach over what is made ten days earlier."""
    clock.jump(864_000)
    archive(store, text("ahead"))
    indexer.start()
    pass_(clock, 100)
    clock.jump(-864_000)
    pass_(clock, 70)
    assert int(result(store.read(lambda tx: meta.number(tx, "archive index")))) < first_at(clock.now())
    result(store.run(lambda tx: tx.run(_LATE, id=first_at(clock.now() - 3_000_000_000))))
    pass_(clock, 3600)
    assert indexer.indexed == 2
    indexer.stop()
