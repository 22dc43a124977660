"""How home servers were: each change of their state is remembered for 90 days."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer

revision = "0007"
down_revision = "0006"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def upgrade() -> None:
    op.create_table(
        "home_change",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
        number("time", None),
        text("state", None),
        text("reason"),
        text("node"),
        number("left_out"),
    )
    op.create_index("home_change_of_domain", "home_change", ["domain", "id"])
