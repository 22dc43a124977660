"""The continuity brain: events, people, alerts, the way back, and the archive; a function for each subject."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, SmallInteger

revision = "0008"
down_revision = "0007"

Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")
BY_KEY: Any = {"sqlite_with_rowid": False}
Id = BigInteger().with_variant(Integer(), "sqlite")


def key(name: str = "id") -> Column[int]:
    return Column(name, Id, primary_key=True, autoincrement=False)


def number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def string(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def flag(name: str, default: str = "0") -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=default)


def of_domain(**more: Any) -> Column[int]:
    return Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), **more)


def upgrade() -> None:
    """Adds what each subject needs, and takes nothing away."""
    _recovery()
    _webhooks()
    _links()
    _plans()
    _people()
    _alerts()
    _archive_index()
    _audit()
    _archive()
    _health()
    _home_imap()


def _recovery() -> None:
    op.create_table(
        "progress",
        of_domain(primary_key=True, autoincrement=False),
        number("began"),
        number("done"),
        number("per_minute"),
        string("throttled"),
        number("noted"),
        **BY_KEY,
    )
    # In the order of the ids, by which the flush reads what is due of one user.
    op.drop_index("owed_of_account", "owed")
    op.create_index("owed_of_account", "owed", ["account", "state", "id"])
    op.add_column("owed", flag("kept"))
    kept = sqlalchemy.text("kept = 1")
    op.create_index("owed_kept", "owed", ["domain", "ended"], sqlite_where=kept, postgresql_where=kept)


def _webhooks() -> None:
    op.create_table(
        "webhook",
        key(),
        of_domain(nullable=False),
        string("url", None),
        string("secret", None),
        string("authorities"),
        number("created"),
        number("missed"),
        number("tried"),
        string("said"),
    )
    op.create_index("webhook_of_domain", "webhook", ["domain", "url"], unique=True)
    op.create_table(
        "webhook_event",
        key(),
        Column("webhook", BigInteger, ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
        string("event", None),
        number("created"),
        number("attempts"),
        number("next_attempt"),
    )
    op.create_index("webhook_event_of_hook", "webhook_event", ["webhook", "id"])
    op.create_table(
        "webhook_told",
        of_domain(primary_key=True, autoincrement=False),
        number("change"),
        string("state"),
        string("paused"),
        flag("declared"),
        flag("contained"),
        flag("behind"),
        **BY_KEY,
    )


def _health() -> None:
    op.add_column("domain", string("proof", "probes"))
    op.create_table(
        "home_users",
        of_domain(primary_key=True, autoincrement=False),
        number("found"),
        string("found_reason"),
        number("said"),
        string("said_by"),
        string("said_note"),
        **BY_KEY,
    )


def _links() -> None:
    op.create_table(
        "link",
        Column("digest", LargeBinary, primary_key=True),
        string("purpose", None),
        string("subject", None),
        string("about"),
        number("created", None),
        number("expires", None),
        number("used"),
        number("ended"),
        **BY_KEY,
    )
    op.create_index("link_of_subject", "link", ["purpose", "subject", "created"])
    op.create_index("link_about", "link", ["purpose", "about", "created"])
    op.create_index("link_by_expiry", "link", ["expires"])


def _people() -> None:
    op.create_index("taken_old", "taken", ["time"])
    op.add_column("account", number("last_login"))
    op.add_column("account", string("last_login_by"))
    op.add_column("account", string("alternate"))
    op.add_column("account", number("absorbed_by"))
    op.add_column("address", number("since"))
    op.add_column("domain", number("nobody_asked"))
    op.add_column("domain", flag("takes_nobody"))
    op.create_table(
        "removed_address",
        Column("key", Text, primary_key=True),
        Column("domain", BigInteger, sqlalchemy.ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
        number("time"),
        **BY_KEY,
    )
    op.create_index("ix_removed_address_domain", "removed_address", ["domain"])
    op.create_table(
        "telling",
        key(),
        Column("domain", BigInteger, sqlalchemy.ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
        number("outage"),
        string("subject", None),
        string("text", None),
        string("author"),
        number("reached"),
        number("last"),
        number("users"),
        number("mails"),
        number("stepped"),
        number("ended"),
    )
    op.create_index("telling_of_domain", "telling", ["domain", "id"])
    of_outage, still = sqlalchemy.text("outage > 0"), sqlalchemy.text("ended = 0")
    op.create_index("telling_of_outage", "telling", ["outage"], sqlite_where=of_outage, postgresql_where=of_outage)
    op.create_index("telling_open", "telling", ["id"], sqlite_where=still, postgresql_where=still)
    held = sqlalchemy.text("account IS NULL AND ended = 0")
    op.create_index("owed_held", "owed", ["domain", "id"], sqlite_where=held, postgresql_where=held)


def _alerts() -> None:
    op.create_table(
        "subscriber",
        of_domain(primary_key=True, autoincrement=False),
        Column("key", Text, primary_key=True),
        string("address", None),
        number("created"),
        **BY_KEY,
    )
    op.create_index("subscriber_by_key", "subscriber", ["key"])
    op.create_table("alerted", Column("key", Text, primary_key=True), number("since"), number("mails"), **BY_KEY)
    op.create_table(
        "outage",
        key(),
        of_domain(nullable=False),
        number("began", None),
        number("ended"),
        string("causes", "{}"),
        string("reason"),
        string("told", "{}"),
        number("snoozed_until"),
        number("recovered"),
        string("report"),
    )
    op.create_index("outage_of_domain", "outage", ["domain", "id"])
    op.create_index("outage_by_end", "outage", ["ended"])
    going_on, to_recover = sqlalchemy.text("ended = 0"), sqlalchemy.text("recovered = 0")
    op.create_index(
        "outage_going_on", "outage", ["domain"], unique=True, sqlite_where=going_on, postgresql_where=going_on
    )
    op.create_index("outage_to_recover", "outage", ["id"], sqlite_where=to_recover, postgresql_where=to_recover)
    error = sqlalchemy.text("direction = 'inbound' AND (status = 'deferred' OR status = 'rejected' AND code < 500)")
    op.create_index("tracking_errors", "tracking", ["domain", "received"], sqlite_where=error, postgresql_where=error)
    op.create_table(
        "alarm",
        of_domain(primary_key=True, autoincrement=False),
        Column("kind", Text, primary_key=True),
        number("told"),
        number("over"),
        **BY_KEY,
    )


def _audit() -> None:
    """Who did what, for a year."""
    op.create_table(
        "audit",
        key(),
        number("time", None),
        string("name", None),
        string("origin"),
        string("operation", None),
        string("object"),
        string("domain"),
        string("result"),
    )
    op.create_index("audit_of_domain", "audit", ["domain", "id"])
    op.create_index("audit_by_name", "audit", ["name", "id"])
    op.create_table("audit_end", key(), number("time", None), string("result", None))


def _archive() -> None:
    op.add_column("archive", number("released"))
    op.create_table(
        "archive_hold",
        key(),
        number("domain", None),
        string("query"),
        string("whose"),
        string("keys", "[]"),
        string("note"),
        string("name", None),
        number("created", None),
        flag("complete"),
        number("messages"),
    )
    op.create_table(
        "archive_held",
        Column("message", BigInteger, primary_key=True, autoincrement=False),
        Column("hold", BigInteger, primary_key=True, autoincrement=False),
        **BY_KEY,
    )
    op.create_index("archive_held_by", "archive_held", ["hold", "message"])


def _plans() -> None:
    op.add_column("domain", number("mode_since"))
    op.add_column("domain", string("mode_by"))
    op.add_column("domain", number("contained"))
    op.add_column("domain", string("contained_by"))
    op.add_column("domain", string("contained_note"))
    op.create_table(
        "plan",
        key(),
        of_domain(nullable=False),
        number("starts", None),
        number("ends", None),
        string("note"),
        string("planner"),
        flag("begun"),
        number("ended"),
    )
    op.create_index("plan_of_domain", "plan", ["domain", "ended", "starts"])
    op.create_table(
        "drill",
        key(),
        of_domain(nullable=False),
        number("starts", None),
        number("ends", None),
        string("users", "[]"),
        string("administrator"),
        number("ended"),
        string("report"),
    )
    op.create_index("drill_of_domain", "drill", ["domain", "ended"])
    drill = ForeignKey("drill.id", ondelete="CASCADE")
    op.create_table(
        "drill_login",
        Column("drill", BigInteger, drill, primary_key=True, autoincrement=False),
        Column("account", BigInteger, primary_key=True, autoincrement=False),
        Column("door", Text, primary_key=True),
        number("first", None),
        number("last", None),
        number("times"),
        **BY_KEY,
    )


def _archive_index() -> None:
    counts = ("day", "expires", "messages", "first", "last", "oldest", "newest", "blocks", "octets")
    op.create_table("archive_segment", key(), *(number(name, None) for name in counts), number("partly"))
    op.create_index("archive_segment_newest", "archive_segment", ["newest"])
    op.create_index("archive_segment_last", "archive_segment", ["last"])
    op.create_table(
        "archive_block",
        Column("segment", BigInteger, primary_key=True, autoincrement=False),
        Column("first", LargeBinary, primary_key=True),
        Column("data", LargeBinary, nullable=False),
    )
    op.create_table(
        "archive_place",
        Column("segment", BigInteger, primary_key=True, autoincrement=False),
        Column("piece", Integer, primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
    )


def _home_imap() -> None:
    """On which way a row went in flight last: what is in doubt by IMAP is looked for there, and never goes by SMTP."""
    op.add_column("owed", string("way"))
