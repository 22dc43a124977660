"""Transactions on PostgreSQL: several connections with one transaction each (design 6)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Final

from twisted.logger import Logger

from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import Notice
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.driver import Again, Lost
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.job import ALONE, Job
from mpcontinuity.store.postgresql.driver import PostgresqlConnection, PostgresqlDriver
from mpcontinuity.store.runner import Runner, Worker
from mpcontinuity.store.transaction import Transaction

# Transactions under way at a time. While some wait for their COMMIT, which the server groups, others are worked on;
# more would only wait for each other's rows, and for our interpreter lock. With the reader's four, the bulk lane's and
# two for notices a process has 15 connections: six of them fit into PostgreSQL's default of 100.
CONNECTIONS: Final = 8

# Work that is done together is most effective in large groups: while so many groups are under way, the next one grows.
_GROUPS = 2
_MOST = 64  # jobs in a group: the rows that it locks others wait for

# For how long a transaction is repeated that met another one. Repeating costs milliseconds.
_REPEATS = 10.0
_PAUSE = (0.001, 0.1)  # s before it is repeated, doubled from the first to the second, half of it by chance

# From this attempt on, those that were unlucky queue up, of all processes: else they meet each other for ever. What is
# done together has met a deadlock, which took a second to be found.
_QUEUE_UP_ALONE = 4
_QUEUE_UP_TOGETHER = 2
_QUEUE = 0x6D70632D717565  # the advisory lock for that: "mpc-que"

# For how long somebody asks whether a transaction is committed whose COMMIT was not answered: a server that restarts
# is back by then, and who waits for a reply hears it within some 15 s (watchdog.py).
_IN_DOUBT = 6.0

# What decides is written for a database in which it is alone (docs/decisions/0005-postgresql.md); what is done
# together locks the rows that it changes, in ascending order.
_ALONE = "SERIALIZABLE"
_TOGETHER = "READ COMMITTED"

_log = Logger()

Step = list[Job]


class _Waiting:
    """Jobs in the order in which they came; those that are done together stand with the first of them."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._open: dict[object, Step] = {}  # by work: the step that more jobs may join
        self._under_way: dict[object, int] = {}
        self._lock = threading.Lock()

    def put(self, jobs: Iterable[Job]) -> None:
        with self._lock:
            for job in jobs:
                step = None if job.item is ALONE else self._open.get(job.work)
                if step is None:
                    step = []
                    self._steps.append(step)
                    if job.item is not ALONE:
                        self._open[job.work] = step
                step.append(job)
                if len(step) == _MOST:
                    self._open.pop(job.work, None)

    def take(self) -> Step | None:
        """The first that may be begun."""
        with self._lock:
            for index, step in enumerate(self._steps):
                first = step[0]
                if first.item is not ALONE:
                    if self._under_way.get(first.work, 0) >= _GROUPS:
                        continue
                    self._under_way[first.work] = self._under_way.get(first.work, 0) + 1
                    if self._open.get(first.work) is step:
                        del self._open[first.work]
                del self._steps[index]
                return step
        return None

    def done(self, step: Step) -> None:
        if step[0].item is not ALONE:
            with self._lock:
                self._under_way[step[0].work] -= 1

    def __len__(self) -> int:
        return sum(map(len, list(self._steps)))


class Pool:
    """Executes transactions by several connections. All but ``submit``, ``waiting`` and ``stop`` run in its threads."""

    def __init__(
        self,
        driver: PostgresqlDriver,
        *,
        runner: Runner,
        identifiers: Identifiers,
        randomness: Randomness,
        figures: Figures,
        prelude: Callable[[Transaction], Callable[[], None] | None],
        settle: Callable[[Sequence[Job]], None],
        announce: Callable[[Sequence[Notice]], None],
    ) -> None:
        """``prelude`` begins every transaction; what it returns is called once that is committed.

        ``settle`` is given jobs when their fate is known, ``announce`` what they had to tell other processes.
        """
        self._driver = driver
        self._identifiers = identifiers
        self._randomness = randomness
        self._figures = figures
        self._prelude = prelude
        self._settle = settle
        self._announce = announce
        self._idle = deque(PostgresqlConnection(driver, "writer") for _ in range(CONNECTIONS + 1))
        self._interactive = _Waiting()
        self._bulk = _Waiting()
        # A put is a call for attention: what is then taken is what has waited longest.
        self._worker: Worker[None] = runner.worker(
            "store-writer", lambda _: self._work(self._interactive), threads=CONNECTIONS, most=1
        )
        # A lane of its own: bulk work neither holds up the others nor waits for them.
        self._bulk_worker: Worker[None] = runner.worker("store-bulk", lambda _: self._work(self._bulk), most=1)

    def submit(self, *jobs: Job) -> None:
        """Takes work, from any thread."""
        for waiting, worker, lane in (
            (self._interactive, self._worker, [job for job in jobs if not job.bulk]),
            (self._bulk, self._bulk_worker, [job for job in jobs if job.bulk]),
        ):
            if lane:
                waiting.put(lane)
                worker.put(*[None] * len(lane))

    def waiting(self) -> int:
        """Returns how many pieces of work nobody has begun."""
        return len(self._interactive) + len(self._bulk)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Does what was submitted, then calls ``stopped``."""
        self._bulk_worker.stop(lambda: self._worker.stop(stopped))

    def close(self) -> None:
        """Closes the connections, after the threads have stopped."""
        for connection in self._idle:
            connection.close()

    def _work(self, waiting: _Waiting) -> None:
        while (step := waiting.take()) is not None:
            connection = self._idle.pop()  # the one used last: its caches are warm
            try:
                self._run(connection, step)
            finally:
                self._idle.append(connection)
                waiting.done(step)

    def _run(self, connection: PostgresqlConnection, step: Step) -> None:
        try:
            self._repeat(connection, step)
            if len(step) > 1 and step[0].error is not None and not isinstance(step[0].error, Temporary):
                for job in step:  # one of them is what the work could not do: each alone
                    self._repeat(connection, [job])
        except Exception as error:
            _log.failure("a writer failed")
            connection.drop()
            for job in step:
                job.error = job.error or Temporary(f"the store failed: {error}")
        self._figures.failed += sum(job.error is not None for job in step)
        notices = [notice for job in step if job.error is None for notice in job.notices]
        try:
            if notices:
                self._announce(notices)
        finally:
            self._settle(step)

    def _repeat(self, connection: PostgresqlConnection, step: Step) -> None:
        """Until it is done, or failed for good; each job says which."""
        until = time.monotonic() + _REPEATS
        pause = _PAUSE[0]
        lost = False
        queue_up = _QUEUE_UP_ALONE if step[0].item is ALONE else _QUEUE_UP_TOGETHER
        for attempt in count(1):
            error = self._attempt(connection, step) if attempt < queue_up else self._queue_up(connection, step)
            if isinstance(error, Again) and time.monotonic() < until:
                self._figures.conflicts += 1
                time.sleep(pause * (0.5 + self._randomness.below(1000) / 2000))
                pause = min(2 * pause, _PAUSE[1])
            elif isinstance(error, Lost) and not lost:
                lost = True  # the server was restarted since it was used last, perhaps: a new connection says
            else:
                break
        for job in step:
            job.error = error
            if error is not None:
                job.notices = []

    def _queue_up(self, connection: PostgresqlConnection, step: Step) -> Exception | None:
        """An attempt beside which no other such one is made."""
        try:
            connection.cursor().execute("SELECT pg_advisory_lock(%s)", (_QUEUE,))
        except self._driver.errors as error:
            return self._driver.translate(error)
        try:
            return self._attempt(connection, step)
        finally:
            try:
                connection.cursor().execute("SELECT pg_advisory_unlock(%s)", (_QUEUE,))
            except self._driver.errors:
                connection.drop()

    def _attempt(self, connection: PostgresqlConnection, step: Step) -> Exception | None:
        """One transaction; what kept it from being committed."""
        figures = self._figures
        first = step[0]
        begun = figures.commit_begun = figures.monotonic()
        try:
            now, number = connection.begin(_ALONE if first.item is ALONE else _TOGETHER, numbered=True)
            done = self._prelude(Transaction(self._driver, connection.cursor(), now, self._identifiers))
            changes, worked = connection.total_changes, figures.monotonic()
            error = self._perform(connection, step, now)
            if error is not None:
                _roll_back(connection)
                return error
            rows, seconds = connection.total_changes - changes, figures.monotonic() - worked
            self._commit(connection, number)
        except Exception as error:
            figures.failed_commits += 1
            _roll_back(connection)
            known = self._driver.translate(error) if isinstance(error, self._driver.errors) else error
            return known if isinstance(known, Temporary) else Temporary(f"the commit failed: {known}")
        finally:
            figures.commit_begun = 0.0
        if done is not None:
            done()
        figures.commit(len(step), figures.monotonic() - begun, first.work)
        figures.transaction(first.work, seconds, rows, items=len(step), bulk=first.bulk)
        return None

    def _perform(self, connection: PostgresqlConnection, step: Step, now: int) -> Exception | None:
        """The work; what it raised."""
        transaction = Transaction(self._driver, connection.cursor(), now, self._identifiers)
        first = step[0]
        try:
            if first.item is ALONE:
                first.value = first.work(transaction)
            else:
                for job, value in zip(step, first.work(transaction, [job.item for job in step]), strict=True):
                    job.value = value
        except Exception as error:
            return error
        if connection.failed:  # SQLite undoes one statement, PostgreSQL the transaction
            return RuntimeError(f"{first.work} went on after a statement that failed")
        first.notices = transaction.notices
        return None

    def _commit(self, connection: PostgresqlConnection, number: int) -> None:
        """Raises psycopg.Error where it is not committed, Temporary where nobody knows."""
        try:
            connection.cursor().execute("COMMIT")
        except self._driver.errors:
            if not connection.lost:
                raise
            _log.warn("a COMMIT was not answered: asking for the fate of transaction {number}", number=number)
            committed = self._driver.committed(number, connection.incarnation, _IN_DOUBT)
            if committed is None:
                raise Temporary("the database went away in the middle of a commit, nobody knows its fate") from None
            if not committed:
                raise Lost("the database went away before the commit") from None


def _roll_back(connection: PostgresqlConnection) -> None:
    try:
        if connection.in_transaction:
            connection.cursor().execute("ROLLBACK")
    except Exception:
        connection.drop()
