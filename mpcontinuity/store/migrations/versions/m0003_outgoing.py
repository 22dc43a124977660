"""Mail to the world: what waits to be sent, keys that sign it, and what was found of mail that came."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer

revision = "0003"
down_revision = "0002"

Id = BigInteger().with_variant(Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def upgrade() -> None:
    op.create_table(
        "outgoing",
        Column("id", Id, primary_key=True, autoincrement=False),
        number("domain"),
        Column("account", BigInteger, ForeignKey("account.id")),
        Column("body", BigInteger, ForeignKey("body.id"), nullable=False),
        text("kind", "outbound"),
        text("reverse_path"),
        text("recipient", None),
        text("destination", None),
        text("parameters"),
        text("subject"),
        text("message_id"),
        number("size"),
        number("received", None),
        number("expires", None),
        text("state", "queued"),
        number("token"),
        number("lease_until"),
        number("attempts"),
        number("next_attempt"),
        Column("last_code", Integer, nullable=False, server_default="0"),
        text("last_text"),
        number("told"),
        number("ended"),
    )
    op.create_index("ix_outgoing_body", "outgoing", ["body"])
    op.create_index("outgoing_next", "outgoing", ["state", "next_attempt", "id"])
    op.create_index("outgoing_of_destination", "outgoing", ["destination", "state", "next_attempt"])
    op.create_index("outgoing_of_domain", "outgoing", ["domain", "state"])
    op.create_index("outgoing_of_account", "outgoing", ["account"])
    op.create_table(
        "dkim",
        Column("domain", BigInteger, ForeignKey("domain.id"), primary_key=True, autoincrement=False),
        text("selector", None),
        text("private_key", None),
        number("created"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verdict",
        Column("body", BigInteger, ForeignKey("body.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        text("spf"),
        text("dkim"),
        text("dmarc"),
        text("details"),
        sqlite_with_rowid=False,
    )
    op.add_column("account", text("scram"))
