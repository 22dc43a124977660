"""What PostgreSQL's errors mean for whoever asked."""

from __future__ import annotations

import psycopg
import pytest

from mpcontinuity.model.clock import DAY, Steady
from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.driver import Again, Conflict, Lost
from mpcontinuity.store.postgresql.driver import PostgresqlConnection, PostgresqlDriver
from mpcontinuity.store.postgresql.errors import translate
from tests.fakes.postgresql import fresh_database


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (psycopg.errors.SerializationFailure("x"), Again),
        (psycopg.errors.DeadlockDetected("x"), Again),
        (psycopg.errors.LockNotAvailable("x"), Again),
        (psycopg.errors.UniqueViolation("x"), Conflict),
        (psycopg.errors.DiskFull("x"), Full),
        (psycopg.errors.AdminShutdown("x"), Lost),
        (psycopg.errors.IdleInTransactionSessionTimeout("x"), Lost),  # the network hung, and the server gave up on us
        (psycopg.OperationalError("connection refused"), Lost),
        (psycopg.errors.TooManyConnections("x"), Temporary),
        (psycopg.errors.ReadOnlySqlTransaction("x"), Temporary),
    ],
)
def test_an_error_says_whether_to_try_again(error: Exception, meant: type[Exception]) -> None:
    assert type(translate(error)) is meant


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    mistake = psycopg.errors.UndefinedColumn("x")
    assert translate(mistake) is mistake


def test_a_clock_of_the_database_that_jumps_moves_no_transaction() -> None:
    driver = PostgresqlDriver(fresh_database())
    passed = 0
    driver.steady = Steady(lambda: passed)
    connection = driver.connect(writes=False)
    assert isinstance(connection, PostgresqlConnection)
    before, _ = connection.begin("READ COMMITTED")
    connection.cursor().execute("ROLLBACK")
    passed -= 10 * DAY  # to whom no time has passed the database is ten days ahead
    after, _ = connection.begin("READ COMMITTED")
    connection.close()
    assert after == before - 10 * DAY
    assert not driver.steady.trusted(0)
    assert driver.steady.jumps[0].by // DAY == 10
