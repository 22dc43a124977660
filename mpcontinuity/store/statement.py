"""SQL that is written once, as text in the subset that SQLite and PostgreSQL share."""

from __future__ import annotations

import re

_ROWS = re.compile(r"VALUES \[(\d+)\]")
_LIST = re.compile(r"\b(NOT )?IN \[:(\w+)\]")
_LOCK = re.compile(r" \[FOR UPDATE( SKIP LOCKED)?\]")
_GATHERED = re.compile(r"SELECT \[([^]]*)\]")
_PARAMETER = re.compile(r"'[^']*'|(?<!:):(\w+)")  # a quoted text is none


class Statement:
    """One statement, a module constant beside the function that uses it.

    Parameters are ``:name``. ``IN [:names]`` takes a sequence of integers or strings of any length, the empty one
    included, without a text of its own per length: SQLite unpacks it by ``json_each``, PostgreSQL by ``= ANY``.

    ``[FOR UPDATE]`` and ``[FOR UPDATE SKIP LOCKED]`` behind a SELECT lock its rows on PostgreSQL, as an UPDATE of
    columns without a key would (a foreign key that refers to the row is not held up); SQLite has one writer anyway.

    ``SELECT [a, b] FROM …`` gathers the rows, of numbers and strings, into one where the driver gives up the
    interpreter for each row that it takes: SQLite's does. Under load each time costs a switch of threads.
    """

    __slots__ = ("gathered", "lists", "postgresql", "sqlite")

    def __init__(self, text: str) -> None:
        self.lists = tuple(dict.fromkeys(match[2] for match in _LIST.finditer(text)))
        self.gathered = _GATHERED.search(text) is not None
        sqlite = _GATHERED.sub(r"SELECT json_group_array(json_array(\1))", _LOCK.sub("", text))
        self.sqlite = _LIST.sub(r"\1IN (SELECT value FROM json_each(:\2))", sqlite)
        text = _GATHERED.sub(r"SELECT \1", text)
        text = _LIST.sub(lambda match: f"{'<> ALL' if match[1] else '= ANY'} (:{match[2]})", text)
        self.postgresql = _PARAMETER.sub(lambda match: f"%({match[1]})s" if match[1] else match[0], _percent(text))

    def __repr__(self) -> str:
        return f"Statement({self.sqlite!r})"


PIECES = (64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1)


class Rows:
    """One statement over many rows: ``VALUES [n]`` in it stands for the rows, of n parameters each.

    It is executed in pieces of 64, 32, 16 and up to 8 rows, so that few texts are prepared for any number of rows. The
    thread gives up the interpreter once per piece, where `Transaction.many` does it once per row. RETURNING works, but
    the interpreter is given up for each row that it returns.
    """

    __slots__ = ("postgresql", "sqlite")

    def __init__(self, text: str) -> None:
        self.sqlite = _pieces(_LOCK.sub("", text), "?")
        self.postgresql = _pieces(_percent(text), "%s")

    def __repr__(self) -> str:
        return f"Rows({self.sqlite[1]!r})"


def _percent(text: str) -> str:
    """For PostgreSQL: rows locked, and a percent sign that begins no parameter doubled."""
    return _LOCK.sub(r" FOR NO KEY UPDATE\1", text).replace("%", "%%")


def _pieces(text: str, parameter: str) -> dict[int, str]:
    """The text by its number of rows."""
    found = _ROWS.search(text)
    assert found is not None, text
    before, after = text[: found.start()], text[found.end() :]
    row = f"({', '.join([parameter] * int(found[1]))})"
    return {count: f"{before}VALUES {', '.join([row] * count)}{after}" for count in PIECES}
