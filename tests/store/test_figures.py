"""What the store says of itself in numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, capturedLogs

from mpcontinuity.store.figures import MOST_ROWS, Figures, name
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import open_memory_like_store, result
from tests.store.messages import keep

ADD = Statement("INSERT INTO meta (key, value) VALUES (:key, :value)")


class Stopwatch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def add(tx: Transaction, key: str = "a") -> None:
    tx.run(ADD, key=key, value="1")


def work(tx: Transaction) -> None:
    """Work of a test."""


def other_work(tx: Transaction) -> None:
    """Work of a test."""


def said(figures: Figures, *calls: Any) -> list[LogEvent]:
    with capturedLogs() as events:
        for call in calls:
            call()
    return [event for event in events if "above its limit" in str(event.get("log_format"))]


def test_a_store_counts_commits_transactions_and_rows(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    result(store.run(add))
    result(store.run(partial(add, key="b"), bulk=True))
    figures = store.figures
    assert (figures.commits, figures.transactions, figures.rows_changed, figures.bulk_steps) == (2, 2, 2, 1)
    assert figures.group_sizes[0] == 2
    assert figures.longest_transaction().name.endswith("test_figures.add")
    assert 0 < figures.longest_transaction().seconds <= figures.longest_commit().seconds


def test_what_failed_is_counted_apart(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    result(store.run(add))
    with pytest.raises(Exception, match="UNIQUE"):
        result(store.run(add))
    assert (store.figures.transactions, store.figures.failed) == (1, 1)


def test_reads_and_spooled_octets_are_seen(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    result(store.read(work))
    draft = store.bodies.draft()
    draft.write(b"x" * 100)
    assert (store.figures.reads, store.figures.spooled(), store.figures.waiting()) == (1, 100, 0)
    draft.discard()
    assert store.figures.spooled() == 0


def test_a_message_that_is_kept_is_named_by_what_was_done_with_it(tmp_path: Path) -> None:
    store = open_memory_like_store(tmp_path)
    result(keep(store, b"x"))
    assert "_index" not in store.figures.longest_transaction().name


def test_the_longest_transaction_is_forgotten_after_a_minute_but_not_the_longest_ever() -> None:
    watch = Stopwatch()
    figures = Figures(watch)
    figures.transaction(work, 0.015, 1)
    watch.now += 30
    figures.transaction(other_work, 0.010, 1)
    assert figures.longest_transaction().name == name(work)
    watch.now += 45
    assert figures.longest_transaction().name == name(other_work)
    watch.now += 75
    assert figures.longest_transaction().seconds == 0
    assert figures.longest_transactions.ever.seconds == 0.015


def test_the_memory_of_the_longest_is_bounded() -> None:
    watch = Stopwatch()
    figures = Figures(watch)
    for _ in range(1000):
        figures.transaction(work, 0.001, 1)
        watch.now += 7
    assert len(figures.longest_transactions._slots) <= 8


def test_a_transaction_above_its_limit_is_logged_once_per_name_and_minute() -> None:
    watch = Stopwatch()
    figures = Figures(watch)
    slow = partial(figures.transaction, work, 0.021, 1)
    assert len(said(figures, slow, slow, partial(figures.transaction, other_work, 0.001, MOST_ROWS + 1))) == 2
    watch.now += 61
    assert len(said(figures, slow)) == 1
    assert figures.above_limit == 4


def test_what_is_within_its_limit_is_not_logged() -> None:
    figures = Figures(Stopwatch())
    within = partial(figures.transaction, work, 0.019, MOST_ROWS)
    shared = partial(figures.transaction, work, 0.100, 2 * MOST_ROWS, items=50)
    bulk = partial(figures.transaction, work, 0.045, MOST_ROWS, bulk=True)
    assert said(figures, within, shared, bulk) == []


@pytest.mark.parametrize(("size", "bucket"), [(1, 0), (2, 1), (3, 2), (4, 2), (256, 8), (257, 9)])
def test_a_group_is_counted_in_the_smallest_bucket_that_holds_it(size: int, bucket: int) -> None:
    figures = Figures(Stopwatch())
    figures.commit(size, 0.001, work)
    assert figures.group_sizes[bucket] == 1


def test_work_is_named_by_where_it_is_defined() -> None:
    assert name(partial(partial(add, key="x"))) == f"{__name__}.add"
    assert name(partial(min, work)) == f"{__name__}.work"
