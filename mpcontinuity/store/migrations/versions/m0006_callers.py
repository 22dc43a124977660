"""Administrators and their tokens log in: which password it is, what a token may, and when it was used."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, SmallInteger

revision = "0006"
down_revision = "0005"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    op.add_column("administrator", number("password_id"))
    op.add_column("token", number("id"))
    op.add_column("token", Column("domain", Text, nullable=False, server_default=""))
    op.add_column("token", Column("read_only", SmallInteger, nullable=False, server_default="0"))
    op.add_column("token", number("last_used"))
    op.create_index("token_by_id", "token", ["id"])
    # Those that are there are numbered from 1; later ids are times, and larger.
    op.execute("UPDATE token SET id = (SELECT COUNT(*) FROM token AS other WHERE other.digest <= token.digest)")
