"""What the store asks of a database driver: PEP 249 with transactions left to the store, and errors told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from mpcontinuity.model.errors import Reported, Temporary


class Conflict(Reported):
    """A constraint of the schema was violated: a name that exists, a row that something refers to."""


class Again(Temporary):
    """The transaction is undone, and may do when it is repeated: it met another one (40001, 40P01)."""


class Lost(Temporary):
    """The connection is gone, and with it the transaction, unless its COMMIT was under way."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    def execute(self, text: str, parameters: Mapping[str, Any] | Sequence[Any] = ..., /) -> Any: ...

    def executemany(self, text: str, rows: Iterable[Mapping[str, Any]], /) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Connection(Protocol):
    """In autocommit mode: the store says BEGIN, SAVEPOINT and COMMIT itself. Used by one thread at a time."""

    @property
    def in_transaction(self) -> bool: ...

    @property
    def total_changes(self) -> int: ...

    def cursor(self) -> Cursor: ...

    def close(self) -> None: ...


class Driver(Protocol):
    """Opens connections to one database."""

    dialect: str  # attribute of Statement: "sqlite" | "postgresql"
    errors: tuple[type[Exception], ...]  # what its calls raise
    shared: bool  # whether there is a single connection, which the readers share with the writer

    def connect(self, *, writes: bool) -> Connection: ...

    def translate(self, error: Exception) -> Exception:
        """The error as the store's callers know it: Conflict, Full, Temporary, or itself (a mistake in the code)."""
        ...
