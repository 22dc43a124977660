"""SQL written once, as text in the subset that SQLite and PostgreSQL share."""

from __future__ import annotations

import re

_LIST = re.compile(r"\b(NOT )?IN \[:(\w+)\]")


class Statement:
    """One statement, a module constant beside the function that uses it.

    Parameters are ``:name``. ``IN [:names]`` takes a sequence of integers or strings of any length, the empty one
    included, without a text of its own per length: SQLite unpacks it by ``json_each``, PostgreSQL by ``= ANY``.
    """

    __slots__ = ("lists", "postgresql", "sqlite")

    def __init__(self, text: str) -> None:
        self.lists = tuple(match[2] for match in _LIST.finditer(text))
        self.sqlite = _LIST.sub(r"\1IN (SELECT value FROM json_each(:\2))", text)
        self.postgresql = _LIST.sub(lambda match: f"{'<> ALL' if match[1] else '= ANY'} (:{match[2]})", text)

    def __repr__(self) -> str:
        return f"Statement({self.sqlite!r})"
