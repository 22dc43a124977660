"""The first schema (design 8).

No version that had it ran on PostgreSQL; what it makes there was made good before the first one did.
"""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, SmallInteger, text

revision = "0001"
down_revision = None

Id = BigInteger().with_variant(Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "meta",
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "domain",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("name", Text, nullable=False, unique=True),
        Column("settings", Text, nullable=False, server_default="{}"),
        Column("created", BigInteger, nullable=False, server_default="0"),
        Column("state", Text, nullable=False, server_default="up"),
        Column("since", BigInteger, nullable=False, server_default="0"),
        Column("reason", Text, nullable=False, server_default=""),
        Column("relapses", BigInteger, nullable=False, server_default="0"),
        Column("offers", Text, nullable=False, server_default=""),
        Column("uptime", BigInteger, nullable=False, server_default="0"),
        Column("paused", Text, nullable=False, server_default=""),
    )
    op.create_table(
        "account",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False),
        Column("address", Text, nullable=False),
        Column("name", Text, nullable=False, server_default=""),
        Column("password", Text, nullable=False, server_default=""),
        Column("status", Text, nullable=False, server_default="inactive"),
        Column("source", Text, nullable=False, server_default="manual"),
        Column("opt_in", SmallInteger, nullable=False, server_default="0"),
        Column("created", BigInteger, nullable=False, server_default="0"),
        Column("taken_in", BigInteger, nullable=False, server_default="0"),
        Column("folded_delivered", BigInteger, nullable=False, server_default="0"),
        Column("folded_deleted", BigInteger, nullable=False, server_default="0"),
        Column("folded_failed", BigInteger, nullable=False, server_default="0"),
        Column("folded_expired", BigInteger, nullable=False, server_default="0"),
        Column("folded_released", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_account_domain", "account", ["domain"])
    op.create_table(
        "address",
        Column("key", Text, primary_key=True),
        Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
        Column("alias", SmallInteger, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_address_account", "address", ["account"])
    op.create_table(
        "taken",
        Column("key", Text, primary_key=True),
        Column("time", BigInteger, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailbox",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
        Column("name", Text, nullable=False),
        Column("use", Text, nullable=False, server_default=""),
        Column("uidvalidity", BigInteger, nullable=False),
        Column("uidnext", BigInteger, nullable=False, server_default="1"),
        Column("modseq", BigInteger, nullable=False, server_default="1"),
        Column("expunged_floor", BigInteger, nullable=False, server_default="0"),
        Column("messages", BigInteger, nullable=False, server_default="0"),
        Column("unseen", BigInteger, nullable=False, server_default="0"),
        Column("octets", BigInteger, nullable=False, server_default="0"),
        Column("deleted", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("mailbox_by_name", "mailbox", ["account", "name"], unique=True)
    op.create_table(
        "subscription",
        Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
        Column("name", Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keyword",
        Column("mailbox", Id, ForeignKey("mailbox.id"), primary_key=True),
        Column("bit", SmallInteger, primary_key=True),
        Column("name", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pack",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("kind", Text, nullable=False),
        Column("day", BigInteger, nullable=False, server_default="0"),
        Column("created", BigInteger, nullable=False, server_default="0"),
        Column("sealed", SmallInteger, nullable=False, server_default="0"),
        Column("gone", BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "body",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("pack", BigInteger, ForeignKey("pack.id"), nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("length", BigInteger, nullable=False),
        Column("prefix", BigInteger, nullable=False, server_default="0"),
        Column("crc", BigInteger, nullable=False),
        Column("keep_until", BigInteger, nullable=False, server_default="0"),
        Column("origin", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_body_pack", "body", ["pack"])
    appended = text("origin > 0")
    op.create_index("body_by_origin", "body", ["origin"], sqlite_where=appended, postgresql_where=appended)
    op.create_table(
        "entry",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("body", BigInteger, ForeignKey("body.id"), nullable=False),
        Column("flags", BigInteger, nullable=False, server_default="0"),
        Column("modseq", BigInteger, nullable=False),
        Column("internaldate", BigInteger, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("rendered", LargeBinary, nullable=False),
    )
    op.create_index("ix_entry_body", "entry", ["body"])
    op.create_table(
        "expunged",
        Column("mailbox", Id, ForeignKey("mailbox.id"), primary_key=True),
        Column("modseq", BigInteger, primary_key=True),
        Column("first", BigInteger, primary_key=True),
        Column("last", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "owed",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False),
        Column("account", BigInteger, ForeignKey("account.id")),
        Column("body", BigInteger, ForeignKey("body.id"), nullable=False),
        Column("kind", Text, nullable=False, server_default="redelivery"),
        Column("reverse_path", Text, nullable=False, server_default=""),
        Column("recipient", Text, nullable=False),
        Column("parameters", Text, nullable=False, server_default=""),
        Column("subject", Text, nullable=False, server_default=""),
        Column("message_id", Text, nullable=False, server_default=""),
        Column("size", BigInteger, nullable=False, server_default="0"),
        Column("received", BigInteger, nullable=False),
        Column("state", Text, nullable=False, server_default="owed"),
        Column("token", BigInteger, nullable=False, server_default="0"),
        Column("lease_until", BigInteger, nullable=False, server_default="0"),
        Column("attempts", BigInteger, nullable=False, server_default="0"),
        Column("next_attempt", BigInteger, nullable=False, server_default="0"),
        Column("uptime_at", BigInteger, nullable=False, server_default="0"),
        Column("ended", BigInteger, nullable=False, server_default="0"),
        Column("last_code", Integer, nullable=False, server_default="0"),
        Column("last_text", Text, nullable=False, server_default=""),
        Column("run", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_owed_body", "owed", ["body"])
    op.create_index("owed_next", "owed", ["domain", "state", "next_attempt", "id"])
    op.create_index("owed_of_account", "owed", ["account", "state"])
    op.create_table(
        "tracking",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("domain", BigInteger, nullable=False, server_default="0"),
        Column("received", BigInteger, nullable=False),
        Column("direction", Text, nullable=False),
        Column("sender", Text, nullable=False, server_default=""),
        Column("recipient", Text, nullable=False, server_default=""),
        Column("recipient_key", Text, nullable=False, server_default=""),
        Column("message_id", Text, nullable=False, server_default=""),
        Column("subject", Text, nullable=False, server_default=""),
        Column("size", BigInteger, nullable=False, server_default="0"),
        Column("status", Text, nullable=False),
        Column("continuity", SmallInteger, nullable=False, server_default="0"),
        Column("outcome", Text, nullable=False, server_default=""),
        Column("code", Integer, nullable=False, server_default="0"),
        Column("text", Text, nullable=False, server_default=""),
        Column("events", Text, nullable=False, server_default="[]"),
        Column("owed", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_tracking_owed", "tracking", ["owed"])
    op.create_index("tracking_newest", "tracking", ["domain", "received"])
    op.create_index("tracking_recipient", "tracking", ["recipient_key", "received"])
    op.create_table(
        "archive",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("domain", BigInteger, nullable=False),
        Column("body", BigInteger, ForeignKey("body.id"), nullable=False),
        Column("time", BigInteger, nullable=False),
        Column("direction", Text, nullable=False),
        Column("sender", Text, nullable=False, server_default=""),
        Column("recipients", Text, nullable=False, server_default="[]"),
        Column("subject", Text, nullable=False, server_default=""),
        Column("message_id", Text, nullable=False, server_default=""),
        Column("size", BigInteger, nullable=False, server_default="0"),
        Column("expires", BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("archive_expiry", "archive", ["expires"])
    op.create_index("archive_newest", "archive", ["domain", "time"])
    op.create_index("ix_archive_body", "archive", ["body"])
    op.create_table(
        "answered",
        Column("fingerprint", LargeBinary, primary_key=True),
        Column("time", BigInteger, nullable=False),
        Column("text", Text, nullable=False, server_default=""),
        sqlite_with_rowid=False,
    )
    op.create_index("answered_by_time", "answered", ["time"])
    op.create_table(
        "administrator",
        Column("name", Text, primary_key=True),
        Column("password", Text, nullable=False, server_default=""),
        Column("domain", Text, nullable=False, server_default=""),
        Column("created", BigInteger, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "token",
        Column("digest", LargeBinary, primary_key=True),
        Column("administrator", Text, nullable=False),
        Column("expires", BigInteger, nullable=False, server_default="0"),
        Column("created", BigInteger, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
