"""What became of mail, for those who sent it; keys that take over once they are published."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, SmallInteger

revision = "0004"
down_revision = "0003"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def flag(name: str, default: str = "0") -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=default)


def upgrade() -> None:
    unreported = sqlalchemy.text("unreported = 1")
    for table in ("outgoing", "owed"):
        op.add_column(table, flag("unreported"))
        op.create_index(f"{table}_unreported", table, ["id"], sqlite_where=unreported, postgresql_where=unreported)
    late = sqlalchemy.text("ended = 0 AND told = 0")
    op.create_index("outgoing_late", "outgoing", ["received"], sqlite_where=late, postgresql_where=late)
    op.add_column("dkim", text("next_selector"))
    op.add_column("dkim", text("next_key"))
    op.add_column("account", flag("relay"))
    op.create_table(
        "sent",
        Column("account", BigInteger, primary_key=True, autoincrement=False),
        Column("message_id", Text, primary_key=True),
        Column("body", BigInteger, nullable=False),
        flag("own"),
        Column("time", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("sent_by_time", "sent", ["time"])
