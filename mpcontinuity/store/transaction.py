"""What a piece of work sees of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from mpcontinuity.model.events import Notice
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.driver import Cursor, Driver
from mpcontinuity.store.statement import PIECES, Rows, Statement

T = TypeVar("T")

_array = msgspec.json.Encoder().encode
_rows = msgspec.json.Decoder(list[tuple[int | str, ...]]).decode


class Transaction:
    """One transaction, as a piece of work sees it.

    Work gets it as its first parameter and may be run twice, so that it touches nothing else. Values in and out are
    int, str, bytes and None. A violated constraint raises Conflict, a failing database Temporary.
    """

    __slots__ = ("_cursor", "_dialect", "_driver", "_identifiers", "notices", "now")

    def __init__(self, driver: Driver, cursor: Cursor, now: int, identifiers: Identifiers) -> None:
        self._driver = driver
        self._dialect = driver.dialect
        self._cursor = cursor
        self._identifiers = identifiers
        self.now = now  # µs, at its begin
        self.notices: list[Notice] = []

    @property
    def dialect(self) -> str:
        """Is ``sqlite`` or ``postgresql``, for maintenance, which has no common words."""
        return self._dialect

    def identifier(self) -> int:
        """Returns a fresh 64-bit id (model/identifier.py)."""
        return self._identifiers.next()

    def all(self, statement: Statement, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """Returns every row, as a tuple of its columns.

        All are read, because a RETURNING that is left half read would keep the transaction from its commit.
        """
        try:
            self._execute(statement, parameters)
            rows = self._cursor.fetchall()
        except self._driver.errors as error:
            raise self._driver.translate(error) from error
        if statement.gathered and self._dialect == "sqlite":
            return _rows(rows[0][0])
        return rows

    def one(self, statement: Statement, /, **parameters: Any) -> tuple[Any, ...] | None:
        """Returns the first row, or None where there is none."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None

    def value(self, statement: Statement, /, **parameters: Any) -> Any:
        """Returns the first column of the first row, or None where there is none."""
        rows = self.all(statement, **parameters)
        return rows[0][0] if rows else None

    def records(self, kind: Callable[..., T], statement: Statement, /, **parameters: Any) -> list[T]:
        """Returns each row as what ``kind`` makes of it. Its parameters, in their order, name the columns."""
        return [kind(*row) for row in self.all(statement, **parameters)]

    def record(self, kind: Callable[..., T], statement: Statement, /, **parameters: Any) -> T | None:
        """Returns the first row as what ``kind`` makes of it, or None where there is none."""
        row = self.one(statement, **parameters)
        return None if row is None else kind(*row)

    def run(self, statement: Statement, /, **parameters: Any) -> int:
        """Executes a statement without RETURNING, and returns the number of rows that it affected."""
        try:
            self._execute(statement, parameters)
            return self._cursor.rowcount
        except self._driver.errors as error:
            raise self._driver.translate(error) from error

    def lock(self, statement: Statement, /, **parameters: Any) -> None:
        """Locks the rows of a ``SELECT … ORDER BY id [FOR UPDATE]`` in that order, before an UPDATE that promises none.

        So two transactions of grouped work cannot wait for each other. On SQLite, where there is one at a time, it does
        nothing.
        """
        if self._dialect != "sqlite":
            self.run(statement, **parameters)

    def many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Executes the statement once for each row of parameters, none of which is a list."""
        try:
            self._cursor.executemany(getattr(statement, self._dialect), rows)
        except self._driver.errors as error:
            raise self._driver.translate(error) from error

    def rows(self, statement: Rows, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Executes the statement over all rows, and returns what it returns, in any order."""
        returned: list[tuple[Any, ...]] = []
        self._in_pieces(statement, rows, lambda: returned.extend(self._cursor.fetchall()))
        return returned

    def run_rows(self, statement: Rows, rows: Sequence[tuple[Any, ...]]) -> int:
        """Executes the statement without RETURNING over all rows, and returns the number of rows that it affected."""
        return self._in_pieces(statement, rows)

    def _in_pieces(
        self, statement: Rows, rows: Sequence[tuple[Any, ...]], done: Callable[[], None] | None = None
    ) -> int:
        texts: dict[int, str] = getattr(statement, self._dialect)
        begin = affected = 0
        execute = self._cursor.execute
        try:
            for count in PIECES:
                while len(rows) - begin >= count:
                    execute(texts[count], tuple(chain.from_iterable(rows[begin : begin + count])))
                    affected += self._cursor.rowcount
                    begin += count
                    if done is not None:
                        done()
        except self._driver.errors as error:
            raise self._driver.translate(error) from error
        return affected

    def announce(self, notice: Notice) -> None:
        """Has the store's listeners told of this after the commit."""
        self.notices.append(notice)

    def _execute(self, statement: Statement, parameters: dict[str, Any]) -> None:
        for name in statement.lists:
            values = list(parameters[name])
            parameters[name] = _array(values).decode() if self._dialect == "sqlite" else values
        self._cursor.execute(getattr(statement, self._dialect), parameters)
