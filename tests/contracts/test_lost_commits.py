"""PostgreSQL goes away at the worst moments: what was answered is there, what failed is told, and all goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.driver import Again, Conflict, Lost
from mpcontinuity.store.postgresql.driver import PostgresqlCursor
from mpcontinuity.store.postgresql.errors import translate
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.contracts.threads import Loop, threaded_store
from tests.fakes.postgresql import Cluster, cluster, fresh_database, name

ADD = Statement("INSERT INTO meta (key, value) VALUES (:key, '')")
KEYS = Statement("SELECT key FROM meta WHERE key LIKE 'job %' ORDER BY key")
BACKEND = Statement("SELECT pg_backend_pid()")


def adding(number: int) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        tx.run(ADD, key=f"job {number}")
        return number

    return work


def jobs(store: Store, loop: Loop) -> set[int]:
    return {int(row[0].split()[1]) for row in loop.result(store.read(lambda tx: tx.all(KEYS)))}


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def url() -> Iterator[str]:
    url = fresh_database()
    yield url
    cluster().give_back(url)


@pytest.fixture
def store(tmp_path: Path, url: str, loop: Loop) -> Iterator[Store]:
    opened = threaded_store(tmp_path, url, loop)
    yield opened
    loop.result(opened.close())


class Commits:
    """``before`` and ``after`` are called once each, round a COMMIT whose answer the store is then not given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before: Callable[[int], None] | None = None
        self.after: Callable[[int], None] | None = None
        self._execute = PostgresqlCursor.execute
        commits = self

        def execute(cursor: PostgresqlCursor, text: str, parameters: Any = (), /) -> Any:
            if text != "COMMIT" or (commits.before is None and commits.after is None):
                return commits._execute(cursor, text, parameters)
            before, after = commits.before, commits.after
            commits.before = commits.after = None
            pid = cursor._cursor.connection.info.backend_pid
            if before is not None:
                before(pid)
            commits._execute(cursor, text, parameters)
            if after is not None:
                after(pid)
            commits._execute(cursor, "SELECT 1", ())  # the connection is found dead
            return None

        monkeypatch.setattr(PostgresqlCursor, "execute", execute)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


def terminate(url: str) -> Callable[[int], None]:
    def end(pid: int) -> None:
        with cluster().connect(name(url)) as connection:
            assert connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,)).fetchone() == (True,)

    return end


def test_a_commit_that_was_done_and_not_answered_counts(store: Store, url: str, loop: Loop, commits: Commits) -> None:
    commits.after = terminate(url)
    assert loop.result(store.run(adding(1))) == 1
    assert jobs(store, loop) == {1}


def test_a_commit_that_was_not_done_is_done_again(store: Store, url: str, loop: Loop, commits: Commits) -> None:
    commits.before = terminate(url)
    assert loop.result(store.run(adding(1))) == 1
    assert jobs(store, loop) == {1}


def test_work_whose_connection_is_killed_is_done_again_on_another(store: Store, url: str, loop: Loop) -> None:
    backends: list[int] = []

    def work(tx: Transaction) -> None:
        tx.run(ADD, key="job 1")
        backends.append(tx.value(BACKEND))
        if len(backends) == 1:
            terminate(url)(backends[0])
        tx.run(ADD, key="job 2")

    loop.result(store.run(work))
    assert jobs(store, loop) == {1, 2}
    assert len(set(backends)) == 2


def test_a_read_whose_connection_is_killed_is_done_again_on_another(store: Store, url: str, loop: Loop) -> None:
    backends: list[int] = []

    def work(tx: Transaction) -> list[tuple[Any, ...]]:
        backends.append(tx.value(BACKEND))
        if len(backends) == 1:
            terminate(url)(backends[0])
        return tx.all(KEYS)

    assert loop.result(store.read(work)) == []
    assert len(set(backends)) == 2


def test_the_fate_of_a_commit_is_asked_of_the_database_for_as_long_as_it_is_under_way(
    store: Store, url: str, loop: Loop
) -> None:
    with cluster().connect(name(url)) as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        driver = store._engine._pool._driver  # type: ignore[attr-defined]
        with driver.open() as other:
            incarnation = driver.incarnation(other)
        assert driver.committed(int(str(row[0])), incarnation, 0.3) is None
        connection.execute("ROLLBACK")
    assert driver.committed(int(str(row[0])), incarnation, 0.3) is False
    assert driver.committed(int(str(row[0])), incarnation + 1, 0.3) is None


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A server that may be killed without harm to other tests."""
    running = Cluster(durable=True)
    yield running
    running.stop()


def test_after_a_crash_in_the_middle_of_a_commit_nobody_claims_to_know_its_fate(
    tmp_path: Path, own: Cluster, loop: Loop, commits: Commits
) -> None:
    """Its number may have been given to another transaction since."""
    store = threaded_store(tmp_path, own.fresh_database(), loop)
    loop.result(store.run(adding(1)))
    commits.before = lambda pid: own.restart("immediate")
    with pytest.raises(Temporary, match="nobody knows"):
        loop.result(store.run(adding(2)))
    assert loop.result(store.run(adding(3))) == 3
    assert jobs(store, loop) == {1, 3}
    loop.result(store.close())


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_under_load_loses_nothing_that_was_answered_and_the_rest_is_told(
    tmp_path: Path, own: Cluster, loop: Loop, mode: str
) -> None:
    store = threaded_store(tmp_path, own.fresh_database(), loop)
    first = [store.run(adding(number)) for number in range(400)]
    loop.outcomes(first[:20])
    own.restart(mode)
    outcomes = loop.outcomes([store.run(adding(number)) for number in range(400, 420)])
    assert all(isinstance(outcome, int | Temporary) for outcome in outcomes)

    def works() -> bool:
        (outcome,) = loop.outcomes([store.run(adding(1000 + len(tried)))])
        tried.append(outcome)
        return isinstance(outcome, int)

    tried: list[Any] = []
    until = time.monotonic() + 60
    while not works():  # a refusal comes at once, so tries say nothing about time
        assert time.monotonic() < until
        time.sleep(0.01)
    answered = {outcome for outcome in [*loop.outcomes(first), *outcomes, *tried] if isinstance(outcome, int)}
    assert answered <= jobs(store, loop)
    assert len(answered) > 20
    loop.result(store.close())


def test_while_the_database_is_away_everybody_is_told_at_once_and_afterwards_all_is_well(
    tmp_path: Path, own: Cluster, loop: Loop
) -> None:
    store = threaded_store(tmp_path, own.fresh_database(), loop)
    loop.result(store.run(adding(1)))
    own.shut_down()
    outcomes = loop.outcomes([store.run(adding(number)) for number in range(2, 102)])
    outcomes += loop.outcomes([store.read(lambda tx: tx.all(KEYS)) for _ in range(20)])
    assert {isinstance(outcome, Temporary) for outcome in outcomes} == {True}
    assert not any("secret" in str(outcome) for outcome in outcomes)
    own.start()
    loop.wait(lambda: isinstance(loop.outcomes([store.run(lambda tx: 1)])[0], int))
    assert jobs(store, loop) == {1}
    loop.result(store.close())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.SerializationFailure, Again),
        (errors.DeadlockDetected, Again),
        (errors.LockNotAvailable, Again),
        (errors.UniqueViolation, Conflict),
        (errors.ForeignKeyViolation, Conflict),
        (errors.DiskFull, Full),
        (errors.TooManyConnections, Temporary),
        (errors.OutOfMemory, Temporary),
        (errors.IoError, Temporary),
        (errors.ReadOnlySqlTransaction, Temporary),
        (errors.AdminShutdown, Lost),
        (errors.CannotConnectNow, Lost),
        (psycopg.OperationalError, Lost),
        (errors.UndefinedColumn, errors.UndefinedColumn),
        (errors.NumericValueOutOfRange, errors.NumericValueOutOfRange),
    ],
)
def test_each_error_is_what_its_callers_can_do_about_it(error: type[psycopg.Error], expected: type[Exception]) -> None:
    assert type(translate(error("said\nin lines"))) is expected
