"""Group commit: one thread takes all transactions that wait and commits them together (design 5)."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from twisted.logger import Logger

from mpcontinuity.model.clock import Clock
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.driver import Connection, Driver
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.job import ALONE, Job
from mpcontinuity.store.runner import Runner, Worker
from mpcontinuity.store.transaction import Transaction

# Transactions per COMMIT: beyond that a commit's share is small already, and the first of them waits for the last.
_MOST = 256

_log = Logger()


class _Fate(enum.Enum):
    """Of a group."""

    COMMITTED = enum.auto()
    WORK_FAILED = enum.auto()  # one's work raised: nothing is committed
    DATABASE_FAILED = enum.auto()  # nothing is committed, and each job says why


class Writer:
    """Owns the connection that writes. All but ``submit``, ``waiting`` and ``stop`` run in its thread."""

    def __init__(
        self,
        driver: Driver,
        connection: Connection,
        *,
        runner: Runner,
        clock: Clock,
        identifiers: Identifiers,
        figures: Figures,
        prelude: Callable[[Transaction], Callable[[], None] | None],
        settle: Callable[[Sequence[Job]], None],
        committed: Callable[[], None],
    ) -> None:
        """``prelude`` begins every commit; what it returns is called once that commit is done.

        ``settle`` is given the jobs of a batch when their fate is known, ``committed`` is called between two batches.
        """
        self._driver = driver
        self._connection = connection
        self._cursor = connection.cursor()
        self._clock = clock
        self._identifiers = identifiers
        self._figures = figures
        self._prelude = prelude
        self._settle = settle
        self._committed = committed
        self._bulk: deque[Job] = deque()
        self._worker: Worker[Job | None] = runner.worker("store-writer", self._handle, most=_MOST)

    def submit(self, *jobs: Job) -> None:
        """Takes work, from any thread. Raises Stopping once it has stopped."""
        self._worker.put(*jobs)

    def waiting(self) -> int:
        """Returns how many pieces of work nobody has begun."""
        return self._worker.waiting() + len(self._bulk)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Does what was submitted, then calls ``stopped``."""
        self._worker.stop(stopped)

    def _handle(self, jobs: Iterable[Job | None]) -> None:
        """One round: the interactive jobs in one commit, then one of the bulk lane, which so never starves."""
        interactive: list[Job] = []
        for job in jobs:
            if job is not None:
                (self._bulk if job.bulk else interactive).append(job)
        if interactive:
            self._run(interactive)
        if self._bulk:
            self._run([self._bulk.popleft()])
        if self._bulk:
            self._worker.put(None)  # nothing new: come back for the bulk lane
        self._committed()

    def _run(self, jobs: Sequence[Job]) -> None:
        try:
            fate = self._attempt(jobs)
            if fate is _Fate.WORK_FAILED and len(jobs) > 1:
                fate = self._attempt(jobs, savepoints=True)
            if fate is _Fate.DATABASE_FAILED:
                for job in jobs:  # each alone, once: one of them may have been what the database could not do
                    self._attempt([job])
        except Exception as error:
            _log.failure("the writer failed")
            for job in jobs:
                job.error = job.error or Temporary(f"the store failed: {error}")
        self._figures.failed += sum(job.error is not None for job in jobs)
        self._settle(jobs)

    def _attempt(self, jobs: Sequence[Job], *, savepoints: bool = False) -> _Fate:
        """Runs them in one transaction.

        Without savepoints, which cost a fifth of the whole (SQLite copies every page that a job changes), work that
        raises undoes all; with them, it undoes its own only, and the others are committed.
        """
        execute = self._cursor.execute
        seconds = self._figures.monotonic
        performances: list[tuple[Sequence[Job], float, int]] = []
        begun = self._figures.commit_begun = seconds()
        try:
            execute("BEGIN IMMEDIATE")
            now = self._clock.now()
            done = self._prelude(Transaction(self._driver, self._cursor, now, self._identifiers))
            for step in [[job] for job in jobs] if savepoints else _steps(jobs):
                if savepoints:
                    execute("SAVEPOINT job")
                before, changes = seconds(), self._connection.total_changes
                performed = self._perform(step, now)
                performances.append((step, seconds() - before, self._connection.total_changes - changes))
                if not self._connection.in_transaction:
                    raise step[0].error or Temporary("the database rolled back")
                if not performed and not savepoints:
                    execute("ROLLBACK")
                    return _Fate.WORK_FAILED
                if not performed:
                    performances.pop()
                    execute("ROLLBACK TO job")
                if savepoints:
                    execute("RELEASE job")
            execute("COMMIT")
        except Exception as error:
            self._give_up(jobs, self._driver.translate(error) if isinstance(error, self._driver.errors) else error)
            self._figures.failed_commits += 1
            return _Fate.DATABASE_FAILED
        finally:
            self._figures.commit_begun = 0.0
        if done is not None:
            done()
        self._count(jobs, seconds() - begun, performances)
        return _Fate.COMMITTED

    def _count(
        self, jobs: Sequence[Job], seconds: float, performances: Sequence[tuple[Sequence[Job], float, int]]
    ) -> None:
        self._figures.commit(len(jobs), seconds, jobs[0].work)
        for step, duration, rows in performances:
            self._figures.transaction(step[0].work, duration, rows, items=len(step), bulk=step[0].bulk)

    def _perform(self, step: Sequence[Job], now: int) -> bool:
        """Whether the work went through, which is one for all jobs of the step."""
        transaction = Transaction(self._driver, self._cursor, now, self._identifiers)
        first = step[0]
        try:
            if first.item is ALONE:
                first.value = first.work(transaction)
            else:
                values = first.work(transaction, [job.item for job in step])
                for job, value in zip(step, values, strict=True):
                    job.value = value
            for job in step:
                job.error = None
        except Exception as error:
            for job in step:
                job.error = error
            return False
        first.notices = transaction.notices
        return True

    def _give_up(self, jobs: Sequence[Job], error: Exception) -> None:
        if self._connection.in_transaction:
            try:
                self._cursor.execute("ROLLBACK")
            except self._driver.errors:
                _log.failure("rollback failed")
        if not isinstance(error, Temporary):
            error = Temporary(f"the commit failed: {error}")
        for job in jobs:
            job.notices = []
            job.error = error


def _steps(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that are done together, where the first of them stands."""
    steps: dict[object, list[Job]] = {}
    for job in jobs:
        steps.setdefault(job if job.item is ALONE else job.work, []).append(job)
    return list(steps.values())
