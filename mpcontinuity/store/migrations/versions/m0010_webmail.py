"""Webmail: conversations, and what else is needed for it and for other pages; a function for each subject."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, SmallInteger, text

revision = "0010"
down_revision = "0009"

Id = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")


BY_KEY: Any = {"sqlite_with_rowid": False}


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def string(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def flag(name: str, default: str = "0") -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=default)


def upgrade() -> None:
    """Adds what each subject needs, and takes nothing away."""
    _conversations()
    _runs()
    _outcomes()
    _drafts()
    _pictures()
    _factors()
    _own_texts()
    op.add_column("account", string("language"))
    op.add_column("account", flag("vacation"))
    _invitations()


def _conversations() -> None:
    """Empty tables: mail that is there already is filled in while the server runs."""
    op.create_table(
        "conversation_entry",
        Column("id", Id, primary_key=True, autoincrement=False),
        number("conversation", None),
    )
    op.create_index("conversation_entries", "conversation_entry", ["conversation", "id"])
    op.create_table(
        "conversation_key",
        Column("id", Id, primary_key=True, autoincrement=False),
        number("conversation", None),
    )


def _runs() -> None:
    op.create_table(
        "page_run",
        Column("id", Id, primary_key=True, autoincrement=False),
        string("administrator", None),
        string("operation", None),
        string("about"),
        number("begun", None),
        number("seen", None),
        number("ended"),
        string("said"),
        string("result"),
        string("failed"),
    )
    op.create_index("page_run_of", "page_run", ["administrator", "begun"])
    op.create_index("page_run_by_time", "page_run", ["begun"])


def _drafts() -> None:
    op.create_table(
        "draft",
        Column("id", Id, primary_key=True, autoincrement=False),
        number("account", None),
        number("version", None),
        number("entry"),
        number("due"),
        number("claimed"),
        number("saved"),
        string("message_id"),
        string("fault"),
        string("written"),
    )
    op.create_index("draft_of", "draft", ["account", "saved"])
    waits: Any = text("due > 0")
    op.create_index("draft_by_due", "draft", ["due"], sqlite_where=waits, postgresql_where=waits)
    op.create_index("draft_leaving", "draft", ["account", "due"], sqlite_where=waits, postgresql_where=waits)
    unsent: Any = text("fault <> ''")
    op.create_index("draft_unsent", "draft", ["account", "saved"], sqlite_where=unsent, postgresql_where=unsent)
    op.create_table(
        "enclosure",
        Column("id", Id, primary_key=True, autoincrement=False),
        number("account", None),
        number("draft", None),
        string("name"),
        string("kind"),
        number("size"),
        number("received"),
        string("role"),
        string("content_id"),
    )
    op.create_index("enclosure_of", "enclosure", ["draft"])
    op.create_index("enclosure_by_account", "enclosure", ["account", "size"])
    op.create_table(
        "enclosure_piece",
        Column("enclosure", BigInteger, primary_key=True, autoincrement=False),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
    )


def _pictures() -> None:
    op.create_table(
        "trusted_sender",
        Column(
            "account",
            BigInteger,
            ForeignKey("account.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("address", Text, primary_key=True),
        number("added", None),
        sqlite_with_rowid=False,
    )


def _outcomes() -> None:
    op.create_table(
        "tracking_change",
        Column("time", BigInteger, primary_key=True),
        Column("id", BigInteger, primary_key=True),
        **BY_KEY,
    )


def _factors() -> None:
    account = ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "user_factor",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("account", BigInteger, account, nullable=False),
        string("kind", None),
        string("name"),
        Column("handle", LargeBinary, nullable=False),
        string("secret"),
        number("used"),
        number("wrong"),
        number("created", None),
        number("since"),
        number("last_used"),
        string("details"),
    )
    op.create_index("user_factor_of", "user_factor", ["account", "kind"])
    account = ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "user_recovery_code",
        Column("account", BigInteger, account, primary_key=True, autoincrement=False),
        Column("digest", LargeBinary, primary_key=True),
        **BY_KEY,
    )


def _own_texts() -> None:
    account = ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "signature",
        Column("account", BigInteger, account, primary_key=True, autoincrement=False),
        string("text"),
        flag("new"),
        flag("answers"),
        **BY_KEY,
    )
    account = ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "vacation",
        Column("account", BigInteger, account, primary_key=True, autoincrement=False),
        string("subject"),
        string("text"),
        number("begins"),
        number("ends"),
        **BY_KEY,
    )
    op.create_table(
        "vacation_due",
        Column("account", BigInteger, primary_key=True, autoincrement=False),
        Column("sender", Text, primary_key=True),
        number("body", None),
        string("recipient"),
        string("reverse_path"),
        number("received"),
        flag("submitted"),
        **BY_KEY,
    )
    op.create_table(
        "vacation_answer",
        Column("account", BigInteger, primary_key=True, autoincrement=False),
        Column("sender", Text, primary_key=True),
        number("time", None),
        **BY_KEY,
    )
    op.create_index("vacation_answer_of", "vacation_answer", ["account", "time"])
    op.create_index("vacation_answer_by_time", "vacation_answer", ["time"])


def _invitations() -> None:
    account = ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "invitation_answer",
        Column("account", BigInteger, account, primary_key=True, autoincrement=False),
        Column("event", Text, primary_key=True),
        number("draft", None),
        string("answer", None),
        number("time", None),
        string("sent_answer"),
        number("sent_time"),
        **BY_KEY,
    )
    op.create_index("invitation_answer_by_draft", "invitation_answer", ["draft"])
