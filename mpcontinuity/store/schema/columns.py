"""Kinds of columns that all tables share, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger

metadata = MetaData()

# SQLite makes only a column declared INTEGER PRIMARY KEY the key of the table's tree; BIGINT would be a second index.
Id = BigInteger().with_variant(Integer(), "sqlite")

# Compared byte by byte, as SQLite does, whatever the locale of the database is.
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")

# Tables whose key is not one integer are stored in the order of that key, instead of behind a second tree.
BY_KEY: Final[Any] = {"sqlite_with_rowid": False}


def key(name: str = "id") -> Column[int]:
    """Returns a column that is the table's key: an id of 64 bits."""
    return Column(name, Id, primary_key=True, autoincrement=False)


def number(name: str, default: str | None = "0") -> Column[int]:
    """Returns a column for a whole number of 64 bits: a count, octets, or a time in µs."""
    return Column(name, BigInteger, nullable=False, server_default=default)


def string(name: str, default: str | None = "") -> Column[str]:
    """Returns a column for text, which is never NULL."""
    return Column(name, Text, nullable=False, server_default=default)


def flag(name: str, default: str = "0") -> Column[int]:
    """Returns a column for 0 or 1, because SQLite and PostgreSQL agree on integers and not on booleans."""
    return Column(name, SmallInteger, nullable=False, server_default=default)
