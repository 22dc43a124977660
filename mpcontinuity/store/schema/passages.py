"""What passed through: tracking and the archive."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, text

from mpcontinuity.store.schema.columns import BY_KEY, flag, key, metadata, number, string

_ERROR = "direction = 'inbound' AND (status = 'deferred' OR status = 'rejected' AND code < 500)"

tracking = Table(
    "tracking",
    metadata,
    key(),
    Column("domain", BigInteger, nullable=False, server_default="0"),
    number("received", None),
    string("direction", None),
    string("sender"),
    string("recipient"),
    string("recipient_key"),
    string("message_id"),
    string("subject"),
    number("size"),
    string("status", None),
    flag("continuity"),
    string("outcome"),  # empty: null
    Column("code", Integer, nullable=False, server_default="0"),
    string("text"),
    string("events", "[]"),  # JSON: [[time µs, host, code, text], …]
    Column("owed", BigInteger, nullable=False, server_default="0", index=True),
    Index("tracking_newest", "domain", "received"),
    Index("tracking_recipient", "recipient_key", "received"),
    # What `alert-hour` and `alert-day` count (tracking/errors.py). What home takes has no entry in it.
    Index("tracking_errors", "domain", "received", sqlite_where=text(_ERROR), postgresql_where=text(_ERROR)),
)

# Rows of `tracking` whose outcome has changed of late, for those who listen to what happens (control/live.py).
tracking_change = Table(
    "tracking_change",
    metadata,
    Column("time", BigInteger, primary_key=True),  # µs
    Column("id", BigInteger, primary_key=True),  # of the row
    **BY_KEY,
)

archive = Table(
    "archive",
    metadata,
    key(),
    Column("domain", BigInteger, nullable=False),
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    number("time", None),
    string("direction", None),
    string("sender"),
    string("recipients", "[]"),  # JSON array of addresses as given
    string("subject"),
    string("message_id"),
    number("size"),
    number("expires"),
    number("released"),  # when it was released last; 0: never; below 0: minus when a release began that has not ended
    Index("archive_newest", "domain", "time"),
    Index("archive_expiry", "expires"),
)

# What is kept although its time has come (archive/holds.py). It outlives its user and its domain.
archive_hold = Table(
    "archive_hold",
    metadata,
    key(),
    number("domain", None),  # whose administrators see it; 0: those of all domains alone
    string("query"),  # as it was given; empty: of a user
    string("whose"),  # as it was given; empty: of a query
    string("keys", "[]"),  # JSON array of the user's addresses, as they are compared: those they ever had since
    string("note"),
    string("name", None),  # of who made it
    number("created", None),
    flag("complete"),  # all that the query finds has a row of archive_held
    number("messages"),  # how many those are
)

# What a query found when the hold was made.
archive_held = Table(
    "archive_held",
    metadata,
    Column("message", BigInteger, primary_key=True, autoincrement=False),  # archive.id
    Column("hold", BigInteger, primary_key=True, autoincrement=False),
    Index("archive_held_by", "hold", "message"),
    **BY_KEY,
)
