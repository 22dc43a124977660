"""The web: who is signed in, and what is needed for it; a function for each subject."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary

revision = "0009"
down_revision = "0008"

Id = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")
BY_KEY: Any = {"sqlite_with_rowid": False}


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def string(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def upgrade() -> None:
    """Adds what each subject needs, and takes nothing away."""
    _signing_in()
    _setting_up()
    _programs()


def _signing_in() -> None:
    op.create_table(
        "web_session",
        Column("digest", LargeBinary, primary_key=True),
        number("id", None),
        string("kind", None),
        string("whose", None),
        number("password", None),
        string("step"),
        number("created", None),
        number("seen", None),
        number("idle_end", None),
        number("ends", None),
        string("peer"),
        string("agent"),
        string("flash"),
        **BY_KEY,
    )
    op.create_index("web_session_of", "web_session", ["kind", "whose", "created"])
    op.create_index("web_session_by_id", "web_session", ["id"])
    op.create_index("web_session_by_end", "web_session", ["idle_end"])
    administrator = ForeignKey("administrator.name", ondelete="CASCADE")
    op.create_table(
        "totp",
        Column("administrator", Text, administrator, primary_key=True),
        string("secret"),
        number("since"),
        number("step"),
        number("wrong"),
        string("next_secret"),
        number("begun"),
        **BY_KEY,
    )
    administrator = ForeignKey("administrator.name", ondelete="CASCADE")
    op.create_table(
        "recovery_code",
        Column("administrator", Text, administrator, primary_key=True),
        Column("digest", LargeBinary, primary_key=True),
        **BY_KEY,
    )
    op.add_column("token", string("scopes"))


def _setting_up() -> None:
    op.create_table(
        "app_password",
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
        Column("digest", LargeBinary, nullable=False),
        string("scram"),
        string("name"),
        number("created"),
        number("last_used"),
        string("last_used_by"),
        string("last_used_from"),
    )
    op.create_index("ix_app_password_account", "app_password", ["account"])


def _programs() -> None:
    op.create_table(
        "answered_request",
        Column("digest", LargeBinary, primary_key=True),
        string("administrator", None),
        number("created", None),
        Column("fingerprint", LargeBinary, nullable=False),
        number("code"),
        string("body"),
        **BY_KEY,
    )
    op.create_index("answered_request_of", "answered_request", ["administrator", "created"])
    op.create_index("answered_request_by_time", "answered_request", ["created"])
