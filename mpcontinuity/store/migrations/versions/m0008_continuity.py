"""The continuity brain: events, people, alerts, the way back, and the archive; a function for each subject."""

from __future__ import annotations

import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, SmallInteger

revision = "0008"
down_revision = "0007"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


def key(name: str = "id") -> Column[int]:
    return Column(name, Id, primary_key=True, autoincrement=False)


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def string(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def flag(name: str, default: str = "0") -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=default)


def upgrade() -> None:
    """Adds what each subject needs, and takes nothing away."""
