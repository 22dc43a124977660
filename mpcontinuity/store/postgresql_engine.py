"""The engine on PostgreSQL: a pool that writes, readers, and the connections to other processes."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from mpcontinuity.model.clock import Steady
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.driver import Connection, Cursor
from mpcontinuity.store.ear import Ear
from mpcontinuity.store.election import Election
from mpcontinuity.store.engine import Means, Stage
from mpcontinuity.store.notices import Notifier
from mpcontinuity.store.pool import Pool
from mpcontinuity.store.postgresql import PostgresqlConnection, PostgresqlDriver, shown
from mpcontinuity.store.readers import Readers

# One snapshot for all of a step, as on SQLite.
_SNAPSHOT = "REPEATABLE READ READ ONLY"


class PostgresqlEngine:
    def __init__(self, driver: PostgresqlDriver, means: Means) -> None:
        sender = means.identifiers.next()
        try:
            self._ear = Ear(driver, means.runner, sender, means.upwards.heard, means.reactor_call)
        except psycopg.Error as error:
            raise Refused(f"[store] database: {shown(driver.url)}: {' '.join(str(error).split())}") from None
        self.election: Election = self._ear
        self.steady: Steady | None = driver.steady
        self._notifier = Notifier(driver, means.runner, sender, threaded=self._ear.threaded)
        self.readers = Readers(
            driver,
            Readers.connect(driver),
            _begin,
            runner=means.runner,
            identifiers=means.identifiers,
            figures=means.figures,
            reactor_call=means.reactor_call,
        )
        self._pool = Pool(
            driver,
            runner=means.runner,
            identifiers=means.identifiers,
            randomness=means.randomness,
            figures=means.figures,
            prelude=means.upwards.prelude,
            settle=means.upwards.settle,
            announce=self._notifier.put,
        )
        self._silence = driver.silence
        means.runner.thread("store-silence", self._silence.loop)
        self.submit = self._pool.submit
        self.waiting = self._pool.waiting
        self.stages: Sequence[Stage] = (self._pool, self._notifier, self.readers, self._ear)

    def close(self) -> None:
        self._silence.end()
        self._pool.close()
        self._notifier.close()
        self.readers.close()


def _begin(connection: Connection) -> tuple[Cursor, int]:
    assert isinstance(connection, PostgresqlConnection)
    now, _ = connection.begin(_SNAPSHOT)
    return connection.cursor(), now
