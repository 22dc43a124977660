"""The engine on SQLite: one thread writes, others read."""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.model.clock import Steady
from mpcontinuity.store.driver import Connection, Cursor, Driver
from mpcontinuity.store.election import Alone, Election
from mpcontinuity.store.engine import EngineSetup, Stage
from mpcontinuity.store.readers import Readers
from mpcontinuity.store.sqlite.checkpoint import Checkpoints
from mpcontinuity.store.sqlite.writer import Writer


class SqliteEngine:
    """The engine on SQLite."""

    def __init__(self, driver: Driver, setup: EngineSetup) -> None:
        clock = setup.clock
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
            runner=setup.runner,
            identifiers=setup.identifiers,
            figures=setup.figures,
            reactor_call=setup.reactor_call,
        )
        self._checkpoints = Checkpoints(driver, self._connection, setup.runner, setup.figures)
        self._writer = Writer(
            driver,
            self._connection,
            runner=setup.runner,
            clock=clock,
            identifiers=setup.identifiers,
            figures=setup.figures,
            prelude=setup.callbacks.prelude,
            settle=setup.callbacks.settle,
            committed=self._checkpoints.committed,
        )
        self.submit = self._writer.submit
        self.waiting = self._writer.waiting
        self.stages: Sequence[Stage] = (self._writer, self._checkpoints, self.readers)

    def close(self) -> None:
        self._checkpoints.close()
        self.readers.close()
        self._connection.close()
