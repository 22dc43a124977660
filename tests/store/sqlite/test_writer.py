"""Group commit, and what becomes of a group when the database fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.model import settings
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.driver import Conflict
from mpcontinuity.store.runner import Inline, Threads
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, result
from tests.store.messages import head, keep

ADD = Statement("INSERT INTO meta (key, value) VALUES (:key, :value)")
KEYS = Statement("SELECT key FROM meta ORDER BY key")


class Failing(sqlite.OperationalError):  # type: ignore[misc]
    sqlite_errorcode = 10  # SQLITE_IOERR


class Grouped:
    """A store whose rounds happen when the test says so, and what its writer executes."""

    def __init__(self, tmp_path: Path) -> None:
        self.rounds: list[Callable[[], None]] = []
        self.executed: list[str] = []
        self.fail: Callable[[str], None] = lambda text: None
        self.wake_ups = 0
        folder = data_folder(tmp_path)
        self.store = open_store(
            folder,
            settings.Store(),
            clock=ManualClock(),
            randomness=SeededRandomness(),
            runner=Inline(self.rounds.append),
            disk=RealDisk(),
            driver=HookedDriver(folder / DATABASE, self._execute),
            reactor_call=self._wake_up,
        )
        self.executed.clear()

    def _execute(self, text: str) -> None:
        if not text.startswith("PRAGMA"):
            self.executed.append(text.partition(" (")[0])
        self.fail(text)

    def _wake_up(self, call: Callable[..., Any], *args: Any) -> None:
        self.wake_ups += 1
        call(*args)

    def round(self) -> None:
        self.rounds.pop(0)()

    def all_rounds(self) -> None:
        while self.rounds:
            self.round()

    def keys(self) -> list[str]:
        reading = self.store.read(lambda tx: [row[0] for row in tx.all(KEYS)])
        self.all_rounds()
        return result(reading)


@pytest.fixture
def grouped(tmp_path: Path) -> Grouped:
    return Grouped(tmp_path)


def adding(key: str) -> Callable[[Transaction], str]:
    def work(tx: Transaction) -> str:
        tx.run(ADD, key=key, value="")
        return key

    return work


def outcome(deferred: Deferred[Any]) -> Any:
    """The value, or the exception."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    assert results, "it has not fired"
    return results[0]


def test_all_that_waits_is_committed_together_with_one_wake_up(grouped: Grouped) -> None:
    deferreds = [grouped.store.run(adding(key)) for key in "abc"]
    grouped.round()
    assert grouped.executed == ["BEGIN IMMEDIATE", *["INSERT INTO meta"] * 3, "COMMIT"]
    assert grouped.wake_ups == 1
    assert [outcome(deferred) for deferred in deferreds] == ["a", "b", "c"]


def test_a_group_in_which_one_raises_is_run_again_with_savepoints(grouped: Grouped) -> None:
    deferreds = [grouped.store.run(adding(key)) for key in ("a", "a", "b")]
    grouped.round()
    assert [type(outcome(deferred)) for deferred in deferreds] == [str, Conflict, str]
    each = ["SAVEPOINT job", "INSERT INTO meta", "RELEASE job"]
    failed = ["SAVEPOINT job", "INSERT INTO meta", "ROLLBACK TO job", "RELEASE job"]
    assert grouped.executed == [
        *("BEGIN IMMEDIATE", "INSERT INTO meta", "INSERT INTO meta", "ROLLBACK"),
        *("BEGIN IMMEDIATE", *each, *failed, *each, "COMMIT"),
    ]


def test_one_alone_that_raises_is_not_run_again(grouped: Grouped) -> None:
    refused = grouped.store.run(lambda tx: tx.run(ADD, key=None, value=""))
    grouped.round()
    assert isinstance(outcome(refused), Conflict)
    assert grouped.executed == ["BEGIN IMMEDIATE", "INSERT INTO meta", "ROLLBACK"]


def test_work_that_raises_takes_nobody_with_it(grouped: Grouped) -> None:
    def raising(tx: Transaction) -> None:
        tx.run(ADD, key="x", value="")
        tx.announce(DomainsChanged())
        raise KeyError("mine")

    heard: list[object] = []
    grouped.store.listen(heard.append)
    deferreds = [grouped.store.run(work) for work in (adding("a"), raising, adding("a"), adding("b"))]
    grouped.round()
    outcomes = [outcome(deferred) for deferred in deferreds]
    assert [type(each) for each in outcomes] == [str, KeyError, Conflict, str]
    assert grouped.keys() == ["a", "b"]
    assert heard == []
    assert grouped.executed.count("COMMIT") == 1


def test_a_commit_that_fails_is_tried_again_one_by_one(grouped: Grouped) -> None:
    failures = iter([Failing("disk I/O error")])

    def fail(text: str) -> None:
        if text == "COMMIT" and (error := next(failures, None)):
            raise error

    grouped.fail = fail
    deferreds = [grouped.store.run(adding(key)) for key in "abc"]
    grouped.round()
    assert [outcome(deferred) for deferred in deferreds] == ["a", "b", "c"]
    assert grouped.executed.count("COMMIT") == 4
    assert grouped.keys() == ["a", "b", "c"]


def test_what_fails_alone_too_is_temporary_and_leaves_the_others(grouped: Grouped) -> None:
    work = 0

    def fail(text: str) -> None:
        nonlocal work
        work += text.startswith("INSERT")
        if text == "COMMIT" and work in (3, 5):  # all together, then the second alone
            raise Failing("disk I/O error")

    grouped.fail = fail
    deferreds = [grouped.store.run(adding(key)) for key in "abc"]
    grouped.round()
    assert [type(outcome(deferred)) for deferred in deferreds] == [str, Temporary, str]
    assert grouped.keys() == ["a", "c"]


def test_when_the_database_rolls_back_the_whole_group_each_is_run_again_alone(grouped: Grouped) -> None:
    runs = []

    def rolls_back(tx: Transaction) -> None:
        runs.append("b")
        tx.run(Statement("ROLLBACK"))  # as SQLite does by itself after some errors
        raise Failing("disk I/O error")

    deferreds = [grouped.store.run(work) for work in (adding("a"), rolls_back, adding("c"))]
    grouped.round()
    assert [type(outcome(deferred)) for deferred in deferreds] == [str, Temporary, str]
    assert runs == ["b", "b"]
    assert grouped.keys() == ["a", "c"]


def test_work_that_hides_a_lost_transaction_is_found_out(grouped: Grouped) -> None:
    def hides(tx: Transaction) -> str:
        tx.run(ADD, key="x", value="")
        tx.run(Statement("ROLLBACK"))
        return "done"

    deferreds = [grouped.store.run(work) for work in (hides, adding("a"))]
    grouped.round()
    assert [type(outcome(deferred)) for deferred in deferreds] == [Temporary, str]
    assert grouped.keys() == ["a"]


def test_a_mistake_in_a_statement_is_shown_as_what_it_is(grouped: Grouped) -> None:
    deferreds: list[Deferred[Any]] = [
        grouped.store.run(lambda tx: tx.run(Statement("SELECT nothing"))),
        grouped.store.run(adding("a")),
    ]
    grouped.round()
    assert [type(outcome(deferred)) for deferred in deferreds] == [sqlite.OperationalError, str]


def test_the_bulk_lane_comes_after_interactive_work_and_never_starves(grouped: Grouped) -> None:
    order: list[str] = []

    def noting(key: str) -> Callable[[Transaction], None]:
        return lambda tx: order.append(key)

    for number in range(3):
        grouped.store.run(noting(f"bulk {number}"), bulk=True)
    for number in range(3):
        for each in range(2):
            grouped.store.run(noting(f"urgent {number}.{each}"))
        grouped.round()
    assert order == [
        *("urgent 0.0", "urgent 0.1", "bulk 0"),
        *("urgent 1.0", "urgent 1.1", "bulk 1"),
        *("urgent 2.0", "urgent 2.1", "bulk 2"),
    ]
    assert not grouped.rounds


def test_what_was_begun_is_done_before_the_store_closes_and_nothing_is_begun_after(grouped: Grouped) -> None:
    running = grouped.store.run(adding("a"))
    bulk = [grouped.store.run(adding(f"bulk {number}"), bulk=True) for number in range(3)]
    closing = grouped.store.close()
    refused = grouped.store.run(adding("b"))
    grouped.all_rounds()
    assert outcome(closing) is None
    assert [outcome(deferred) for deferred in (running, *bulk)] == ["a", "bulk 0", "bulk 1", "bulk 2"]
    assert isinstance(outcome(refused), Stopping)
    for late in (grouped.store.run(adding("c")), grouped.store.read(adding("c"))):
        assert isinstance(outcome(late), Stopping)


def test_bodies_are_neither_kept_nor_read_once_the_store_is_closed(store: Store) -> None:
    body = result(keep(store, b"x"))
    result(store.close())
    assert isinstance(outcome(store.bodies.read(body)), Stopping)
    assert isinstance(outcome(store.bodies.keep(store.bodies.draft(), head(store))), Stopping)


def test_threads_commit_in_groups_and_lose_nothing(tmp_path: Path) -> None:
    """The real runner: what many sessions put at once is done, in fewer commits than there are transactions."""
    done = threading.Semaphore(0)
    results: list[str] = []
    commits: list[str] = []
    folder = data_folder(tmp_path)
    store = open_store(
        folder,
        settings.Store(),
        clock=SystemClock(),
        randomness=SeededRandomness(),
        runner=Threads(),
        disk=RealDisk(),
        driver=HookedDriver(folder / DATABASE, lambda text: commits.append(text) if text == "COMMIT" else None),
        reactor_call=lambda call, *args: call(*args),
    )
    for number in range(500):
        store.run(adding(f"{number:03}")).addCallback(results.append).addBoth(lambda _: done.release())
    for _ in range(500):
        assert done.acquire(timeout=20)
    assert results == [f"{number:03}" for number in range(500)]
    assert len(commits) < 250
    store.close().addBoth(lambda _: done.release())
    assert done.acquire(timeout=20)


def test_a_listener_that_fails_keeps_nobody_from_hearing(store: Store) -> None:
    heard: list[object] = []

    def failing(_: object) -> None:
        raise KeyError

    store.listen(failing)
    store.listen(heard.extend)
    result(store.run(lambda tx: tx.announce(DomainsChanged())))
    assert heard == [DomainsChanged()]


def test_work_that_many_ask_for_at_a_time_is_done_once_for_all_of_them(grouped: Grouped) -> None:
    asked: list[list[str]] = []

    def add(tx: Transaction, keys: list[str]) -> list[str]:
        asked.append(keys)
        for key in keys:
            tx.run(ADD, key=key, value="")
        return [f"{key} added" for key in keys]

    together = [grouped.store.run_grouped(add, key) for key in "ab"]
    alone = grouped.store.run(adding("x"))
    together.append(grouped.store.run_grouped(add, "c"))
    grouped.round()
    assert asked == [["a", "b", "c"]]
    assert [outcome(deferred) for deferred in together] == ["a added", "b added", "c added"]
    assert outcome(alone) == "x"
    assert grouped.executed.count("COMMIT") == grouped.wake_ups == 1


def test_when_work_for_many_raises_each_has_it_done_alone(grouped: Grouped) -> None:
    def add(tx: Transaction, keys: list[str]) -> list[str]:
        for key in keys:
            tx.run(ADD, key=key, value="")
        return keys

    deferreds = [grouped.store.run_grouped(add, key) for key in ("a", "a", "b")]
    grouped.round()
    first, second, third = (outcome(deferred) for deferred in deferreds)
    assert (first, type(second), third) == ("a", Conflict, "b")
    assert grouped.keys() == ["a", "b"]


def test_a_message_that_is_kept_together_with_others_finds_its_body_durable(grouped: Grouped) -> None:
    def names(tx: Transaction, items: list[tuple[Body, str]]) -> list[tuple[int, str]]:
        return [(body.length, name) for body, name in items]

    deferreds = []
    for text in ("one", "three"):
        draft = grouped.store.bodies.draft()
        draft.write(text.encode())
        deferreds.append(grouped.store.keep_grouped(draft, head(grouped.store), names, text))
    grouped.all_rounds()
    assert [outcome(deferred) for deferred in deferreds] == [(3, "one"), (5, "three")]
