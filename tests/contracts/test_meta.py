"""Facts and counters in `meta`, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from tests.contracts.databases import DATABASES
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result


@pytest.fixture(params=DATABASES, ids=str)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    opened = DATABASES[request.param](tmp_path, clock, 1)
    yield opened
    result(opened.close())


def test_a_text_is_read_replaced_and_removed(store: Store) -> None:
    assert result(store.read(partial(meta.get, key="fact"))) == ""
    for value in ("one", "two"):
        result(store.run(partial(meta.put, key="fact", value=value)))
        assert result(store.read(partial(meta.get, key="fact"))) == value
    result(store.run(partial(meta.remove, key="fact")))
    assert result(store.read(partial(meta.get, key="fact"))) == ""


def test_what_is_there_already_stays_and_is_returned(store: Store) -> None:
    assert [result(store.run(partial(meta.put_new, key="fact", value=value))) for value in ("one", "two")] == [
        "one",
        "one",
    ]


def test_a_number_that_is_raised_is_above_any_before_and_above_the_least(store: Store) -> None:
    def raised(by: int = 1, least: int = 0) -> int:
        return result(store.run(partial(meta.raise_number, key="ids", by=by, least=least)))

    assert [raised(by=3), raised(), raised(by=2, least=10), raised(least=5)] == [3, 4, 12, 13]


def test_counters_begin_at_0_and_are_added_to_together(store: Store) -> None:
    result(store.run(partial(meta.count, counts=[("b", 2), ("a", 1)])))
    result(store.run(partial(meta.count, counts=[("a", 5)])))
    result(store.run(partial(meta.count_less, key="a", by=2)))
    result(store.run(partial(meta.count_less, key="not there")))
    assert [result(store.read(partial(meta.number, key=key))) for key in ("a", "b", "not there")] == [4, 2, 0]
