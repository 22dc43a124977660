"""Several processes on one database: who they are, whose a pack is, and messages in the database."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary

revision = "0002"
down_revision = "0001"

Id = BigInteger().with_variant(Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "node",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("host", Text, nullable=False, server_default=""),
        Column("started", BigInteger, nullable=False, server_default="0"),
        Column("seen", BigInteger, nullable=False, server_default="0"),
    )
    op.add_column("domain", Column("last_failure", BigInteger, nullable=False, server_default="0"))
    op.add_column("domain", Column("recovered", BigInteger, nullable=False, server_default="0"))
    op.add_column("pack", Column("node", BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "content",
        Column("body", BigInteger, primary_key=True, autoincrement=False),
        Column("piece", Integer, primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
    )
    # What messages in `content` have in the place of a pack: it is not looked through on any day.
    op.execute("INSERT INTO pack (id, kind, day, created, sealed) VALUES (0, 'database', 2147483647, 0, 1)")
    if op.get_bind().dialect.name == "postgresql":
        # Empty after a crash: so it is known that there was one (store/postgresql/driver.py, `incarnation`).
        op.create_table(
            "incarnation",
            Column("one", Integer, primary_key=True, autoincrement=False),
            Column("number", BigInteger, nullable=False),
            prefixes=["UNLOGGED"],
        )
