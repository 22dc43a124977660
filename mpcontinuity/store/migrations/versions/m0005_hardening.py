"""What strangers, users and other servers do is bounded, and what they did is found without a look at all the rest."""

from __future__ import annotations

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger

revision = "0005"
down_revision = "0004"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


def number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    op.add_column("entry", number("pop3_added"))
    op.create_table(
        "login_failure",
        Column("host", Text, primary_key=True),
        Column("name", LargeBinary, primary_key=True),
        number("failures"),
        number("last"),
        sqlite_with_rowid=False,
    )
    op.create_index("login_failure_by_time", "login_failure", ["last"])
    op.create_table(
        "spending",
        Column("host", Text, primary_key=True),
        Column("kind", SmallInteger, primary_key=True, autoincrement=False),
        number("amount"),
        number("last"),
        sqlite_with_rowid=False,
    )
    op.create_index("spending_by_time", "spending", ["last"])
    refused = sqlalchemy.text("last_code >= 500 AND ended = 0")
    op.create_index("owed_refused", "owed", ["domain"], sqlite_where=refused, postgresql_where=refused)
    op.add_column("outgoing", number("share"))
    op.execute("UPDATE outgoing SET share = COALESCE(account, -domain) WHERE kind <> 'dsn'")
    op.drop_index("outgoing_next", "outgoing")
    op.create_index("outgoing_next", "outgoing", ["state", "next_attempt", "id", "share", "destination"])
    op.drop_index("outgoing_of_destination", "outgoing")
    op.create_index("outgoing_of_destination", "outgoing", ["destination", "state", "share", "next_attempt"])
    op.add_column("account", number("password_changes"))
    op.add_column("mailbox", number("recent"))
    op.execute("UPDATE mailbox SET recent = uidnext - 1")
    found = sqlalchemy.text("source = 'relay-check'")
    op.create_index("account_found", "account", ["domain", "created"], sqlite_where=found, postgresql_where=found)
