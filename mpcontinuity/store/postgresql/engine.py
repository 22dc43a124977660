"""The engine on PostgreSQL: a pool that writes, readers, and the connections to other processes."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from mpcontinuity.model.clock import Steady
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.driver import Connection, Cursor
from mpcontinuity.store.election import Election
from mpcontinuity.store.engine import EngineSetup, Stage
from mpcontinuity.store.postgresql.driver import PostgresqlConnection, PostgresqlDriver
from mpcontinuity.store.postgresql.listener import NotificationListener
from mpcontinuity.store.postgresql.notifier import Notifier
from mpcontinuity.store.postgresql.pool import Pool
from mpcontinuity.store.postgresql.url import shown
from mpcontinuity.store.readers import Readers

# One snapshot for all of a step, as on SQLite.
_SNAPSHOT = "REPEATABLE READ READ ONLY"


class PostgresqlEngine:
    """The engine on PostgreSQL. Raises Refused where the server is away when it is made."""

    def __init__(self, driver: PostgresqlDriver, setup: EngineSetup) -> None:
        sender = setup.identifiers.next()
        try:
            self._listener = NotificationListener(
                driver, setup.runner, sender, setup.callbacks.heard, setup.reactor_call
            )
        except psycopg.Error as error:
            raise Refused(f"[store] database: {shown(driver.url)}: {' '.join(str(error).split())}") from None
        self.election: Election = self._listener
        self.steady: Steady | None = driver.steady
        self._notifier = Notifier(driver, setup.runner, sender, threaded=self._listener.threaded)
        self.readers = Readers(
            driver,
            Readers.connect(driver),
            _begin,
            runner=setup.runner,
            identifiers=setup.identifiers,
            figures=setup.figures,
            reactor_call=setup.reactor_call,
        )
        self._pool = Pool(
            driver,
            runner=setup.runner,
            identifiers=setup.identifiers,
            randomness=setup.randomness,
            figures=setup.figures,
            prelude=setup.callbacks.prelude,
            settle=setup.callbacks.settle,
            announce=self._notifier.put,
        )
        self._watchdog = driver.watchdog
        setup.runner.thread("store-watchdog", self._watchdog.loop)
        self.submit = self._pool.submit
        self.waiting = self._pool.waiting
        self.stages: Sequence[Stage] = (self._pool, self._notifier, self.readers, self._listener)

    def close(self) -> None:
        self._watchdog.end()
        self._pool.close()
        self._notifier.close()
        self.readers.close()


def _begin(connection: Connection) -> tuple[Cursor, int]:
    assert isinstance(connection, PostgresqlConnection)
    now, _ = connection.begin(_SNAPSHOT)
    return connection.cursor(), now
