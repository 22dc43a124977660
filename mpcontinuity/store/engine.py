"""What executes transactions: one writer thread on SQLite, a pool of connections on PostgreSQL (design 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mpcontinuity.model.clock import Clock, Steady
from mpcontinuity.model.events import Notice
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.checkpoint import Checkpoints
from mpcontinuity.store.driver import Connection, Cursor, Driver
from mpcontinuity.store.election import Alone, Election
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.job import Job
from mpcontinuity.store.readers import Readers
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.writer import Writer


class Stage(Protocol):
    def stop(self, stopped: Callable[[], None]) -> None: ...


class Upwards(Protocol):
    """What an engine tells the store, from any thread."""

    def prelude(self, tx: Transaction) -> Callable[[], None] | None:
        """Begins every commit; what it returns is called once that commit is done."""
        ...

    def settle(self, jobs: Sequence[Job]) -> None:
        """The fate of these jobs is known."""
        ...

    def heard(self, notices: Sequence[Notice]) -> None:
        """Other processes announced this; called in the reactor thread."""
        ...


class Engine(Protocol):
    readers: Readers
    election: Election
    stages: Sequence[Stage]  # stopped in this order
    steady: Steady | None  # the clock that transactions go by, where it is not the one of `Means`

    def submit(self, *jobs: Job) -> None: ...

    def waiting(self) -> int:
        """Pieces of work that nobody has begun."""
        ...

    def close(self) -> None:
        """After all stages have stopped."""
        ...


class Means:
    """What every engine is made with."""

    __slots__ = ("clock", "figures", "identifiers", "randomness", "reactor_call", "runner", "upwards")

    def __init__(
        self,
        *,
        clock: Clock,
        identifiers: Identifiers,
        randomness: Randomness,
        runner: Runner,
        figures: Figures,
        reactor_call: Callable[..., None],
        upwards: Upwards,
    ) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.randomness = randomness
        self.runner = runner
        self.figures = figures
        self.reactor_call = reactor_call
        self.upwards = upwards


class SqliteEngine:
    def __init__(self, driver: Driver, means: Means) -> None:
        clock = means.clock
        self._connection = driver.connect(writes=True)
        self.election: Election = Alone()
        self.steady: Steady | None = None

        def begin(connection: Connection) -> tuple[Cursor, int]:
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            return cursor, clock.now()

        self.readers = Readers(
            driver,
            [self._connection] if driver.shared else Readers.connect(driver),
            begin,
            runner=means.runner,
            identifiers=means.identifiers,
            figures=means.figures,
            reactor_call=means.reactor_call,
        )
        self._checkpoints = Checkpoints(driver, self._connection, means.runner, means.figures)
        self._writer = Writer(
            driver,
            self._connection,
            runner=means.runner,
            clock=clock,
            identifiers=means.identifiers,
            figures=means.figures,
            prelude=means.upwards.prelude,
            settle=means.upwards.settle,
            committed=self._checkpoints.committed,
        )
        self.submit = self._writer.submit
        self.waiting = self._writer.waiting
        self.stages: Sequence[Stage] = (self._writer, self._checkpoints, self.readers)

    def close(self) -> None:
        self._checkpoints.close()
        self.readers.close()
        self._connection.close()
