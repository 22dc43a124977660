"""The operation ``archive search``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.store.store import Store
from tests.archive.archived import archive, text
from tests.control.conftest import Call
from tests.fakes.clock import START
from tests.fakes.jobs import Here
from tests.fakes.stores import result


@pytest.fixture
def three(store: Store) -> Store:
    for day in range(3):
        archive(store, text(f"day {day}"), time=START + day * DAY)
    return store


def test_pages_follow_each_other_by_the_id(call: Call, three: Store) -> None:
    first = call("archive search", limit=2)
    rest = call("archive search", limit=2, after=first[-1]["id"])
    assert [row["subject"] for row in first + rest] == ["day 2", "day 1", "day 0"]


def test_since_and_until_are_times_within_those_of_the_query(call: Call, three: Store) -> None:
    found = call("archive search", query="since:2026-09-22", until="2026-09-23")
    assert [row["subject"] for row in found] == ["day 1"]
    assert call("archive search", query="since:2026-09-23", until="2026-09-22") == []


def test_a_query_that_cannot_be_read_is_one_line(call: Call) -> None:
    with pytest.raises(Refused, match="query: has 50000 characters; at most 4000"):
        call("archive search", query="word " * 10_000)


def test_a_removed_user_is_known_by_the_address(call: Call, three: Store) -> None:
    assert len(call("archive search", user="bert@example.org")) == 3
    assert call("archive search", user="nobody@example.org") == []


def test_what_could_not_be_searched_is_told(control: Control, three: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcontinuity.archive.search.MOST_READ", 1)
    said: list[Any] = []
    rows = result(OPERATIONS["archive search"](replace(control, progress=said.append), {"query": "day"}))
    assert len(rows) == 1
    assert said == [{"unsearched": 2}]


def test_without_a_child_process_it_can_be_tried_again(control: Control, three: Store) -> None:
    dead = replace(control, jobs=Here(dying=100))
    with pytest.raises(Temporary, match="killed"):
        result(OPERATIONS["archive search"](dead, {"query": "day"}))


def test_searches_wait_for_each_other_beyond_some(control: Control, three: Store) -> None:
    for _ in range(control.searches.tokens):
        control.searches.acquire()
    waiting = Deferred.fromCoroutine(OPERATIONS["archive search"](control, {}))
    assert not waiting.called
    control.searches.release()
    assert len(result(waiting)) == 3
    assert control.searches.tokens == 1
