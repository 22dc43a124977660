"""What the store asks of a database driver: PEP 249 with transactions left to the store, and errors told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from mpcontinuity.model.errors import Reported, Temporary


class Conflict(Reported):
    """Raised when a constraint of the schema was violated: a name that exists, a row that something refers to."""


class Again(Temporary):
    """Raised when a transaction was undone because it met another one (40001, 40P01): repeated, it may succeed."""


class Lost(Temporary):
    """Raised when the connection is gone, and with it the transaction, unless its COMMIT was under way."""


class Cursor(Protocol):
    """What the store uses of a cursor as PEP 249 has it."""

    @property
    def rowcount(self) -> int:
        """Is the number of rows that the last statement affected."""
        ...

    def execute(self, text: str, parameters: Mapping[str, Any] | Sequence[Any] = ..., /) -> Any:
        """Executes one statement."""
        ...

    def executemany(self, text: str, rows: Iterable[Mapping[str, Any]], /) -> Any:
        """Executes one statement for each row of parameters."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Returns all rows that the last statement gave; none where it gives no rows."""
        ...


class Connection(Protocol):
    """A connection in autocommit mode: the store says BEGIN, SAVEPOINT and COMMIT itself. One thread uses it."""

    @property
    def in_transaction(self) -> bool:
        """Says whether a transaction has begun that is not ended."""
        ...

    @property
    def total_changes(self) -> int:
        """The number of rows that were changed since the connection was opened."""
        ...

    def cursor(self) -> Cursor:
        """Returns a cursor of the connection."""
        ...

    def close(self) -> None:
        """Closes the connection; a transaction that has begun is rolled back."""
        ...


class Driver(Protocol):
    """Opens connections to one database, and tells its errors apart."""

    dialect: str  # attribute of Statement: "sqlite" | "postgresql"
    errors: tuple[type[Exception], ...]  # what its calls raise
    shared: bool  # whether there is a single connection, which the readers share with the writer

    def connect(self, *, writes: bool) -> Connection:
        """Opens a connection, to write or only to read."""
        ...

    def translate(self, error: Exception) -> Exception:
        """Returns the error as callers know it: Conflict, Full, Temporary, or itself for a mistake in the code."""
        ...
