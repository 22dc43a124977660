"""What PostgreSQL's errors mean for whoever asked."""

from __future__ import annotations

import psycopg
import pytest

from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.driver import Again, Conflict, Lost
from mpcontinuity.store.postgresql import translate


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
