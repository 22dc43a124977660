"""What /healthz and /readyz answer, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.app.watch.health import WEDGED_AFTER, Health
from mpcontinuity.app.watch.overview import OLDEST, Overview
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, open_memory_like_store, result


class Doors:
    accepting = True


class Watched:
    """Health of a real store whose disk has ``free`` octets."""

    def __init__(self, store: Store) -> None:
        self.free = 1000
        self.now = 100.0
        self.begun = True
        self.clock = ManualClock()
        self.doors = Doors()
        self.store = store
        store.figures.monotonic = lambda: self.now
        self.overview = Overview(store, self.clock, lambda: self.free)
        self.health = Health(store, self.doors, self.overview, self.clock, floor=100, begun=lambda: self.begun)

    def reasons(self) -> list[str]:
        answer = result(self.health.ready_page())
        row = json.loads(answer.body)
        assert row["ready"] is (answer.code == 200) is (not row["reasons"])
        assert answer.code in (200, 503)
        reasons: list[str] = row["reasons"]
        return reasons

    def later(self) -> None:
        self.now += 60
        self.clock.advance(OLDEST + 1)


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


def test_a_server_that_serves_is_ready_and_well(watched: Watched) -> None:
    assert watched.reasons() == []
    assert result(watched.health.live_page()).code == 200


def test_a_server_is_not_ready_before_its_doors_open_and_once_it_stops(watched: Watched) -> None:
    watched.begun = False
    assert watched.reasons() == ["the server starts"]
    watched.begun = True
    watched.health.stopping = True
    assert watched.reasons() == ["the server stops"]
    assert result(watched.health.live_page()).code == 200


def test_a_server_that_accepts_no_connections_is_not_ready(watched: Watched) -> None:
    watched.doors.accepting = False
    [reason] = watched.reasons()
    assert "no connections are accepted" in reason


def test_a_disk_below_its_floor_is_said_and_seen_to_be_better(watched: Watched) -> None:
    watched.free = 99
    [reason] = watched.reasons()
    assert "99 octets are free" in reason
    watched.free = 100
    watched.later()
    assert watched.reasons() == []


def test_an_older_schema_is_said_and_a_newer_one_is_that_of_an_upgrade(watched: Watched) -> None:
    connection = sqlite.connect(str(watched.store.packs.folder.parent / DATABASE))
    connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.commit()
    [reason] = watched.reasons()
    assert "schema 0000" in reason
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    watched.later()
    assert watched.reasons() == []


def test_a_commit_that_does_not_end_is_a_reason_to_start_anew(watched: Watched) -> None:
    watched.store.figures.commit_begun = watched.now
    watched.now += WEDGED_AFTER - 1
    assert result(watched.health.live_page()).code == 200
    watched.now += 2
    answer = result(watched.health.live_page())
    assert (answer.code, answer.body) == (503, b"the store has not finished a commit for 31 s\n")
    assert "has not finished a commit" in watched.reasons()[0]


def hooked(tmp_path: Path, hook: Any) -> Watched:
    return Watched(open_memory_like_store(tmp_path, driver=HookedDriver(data_folder(tmp_path) / DATABASE, hook)))


def test_a_store_that_cannot_be_written_is_found_by_a_commit_of_its_own(tmp_path: Path) -> None:
    failing = False

    def fail(text: str) -> None:
        if failing and text == "COMMIT":
            raise sqlite.OperationalError("disk I/O error")

    watched = hooked(tmp_path, fail)
    assert watched.reasons() == []
    failing = True
    assert watched.reasons() == []  # a commit of seconds ago is believed
    watched.later()
    [reason] = watched.reasons()
    assert reason.startswith("the store cannot be written: ")
    failing = False
    assert watched.reasons() == []


def test_commits_of_others_spare_one_of_its_own(tmp_path: Path) -> None:
    texts: list[str] = []
    watched = hooked(tmp_path, texts.append)
    watched.later()
    for _ in range(10):
        watched.reasons()
        watched.now += 0.1
    assert sum(text == "COMMIT" for text in texts) == 1


def test_a_store_that_does_not_answer_is_said_within_seconds(watched: Watched) -> None:
    async def hang(work: Any) -> None:
        await Deferred()

    watched.store.run = hang  # type: ignore[assignment,method-assign]
    answers: list[list[str]] = []
    for _ in range(2):
        Deferred.fromCoroutine(watched.health.unready()).addCallback(answers.append)
    assert answers == []
    watched.clock.advance(3)
    assert answers == [["the store does not finish a commit within 2 s"]] * 2


def test_a_database_that_does_not_answer_is_said_within_seconds(watched: Watched) -> None:
    watched.store.read = lambda work: Deferred()  # type: ignore[method-assign]
    answers: list[list[str]] = []
    Deferred.fromCoroutine(watched.health.unready()).addCallback(answers.append)
    watched.clock.advance(3)
    assert answers == [["the store cannot be read"]]
