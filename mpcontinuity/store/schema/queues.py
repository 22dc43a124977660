"""What is to be sent: to home servers and to the world."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, text

from mpcontinuity.store.schema.columns import BY_KEY, flag, key, metadata, number, string

owed = Table(
    "owed",
    metadata,
    key(),  # shown in X-MPContinuity-Id
    Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False),
    Column("account", BigInteger, ForeignKey("account.id")),  # NULL: owed without a mailbox (yet)
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    string("kind", "redelivery"),  # redelivery | sent | draft
    string("reverse_path"),
    string("recipient", None),  # the RCPT address as it was given
    string("parameters"),  # JSON: BODY, SMTPUTF8, RET, ENVID, NOTIFY, ORCPT as they were given
    string("subject"),
    string("message_id"),
    number("size"),
    number("received", None),
    string("state", "owed"),  # model/owed.py
    number("token"),  # of the lease: every update of a claimed row names it
    number("lease_until"),
    number("attempts"),
    number("next_attempt"),
    number("uptime_at", "0"),  # domain.uptime when it became owed
    number("ended"),
    Column("last_code", Integer, nullable=False, server_default="0"),
    string("last_text"),
    number("run"),  # of the flush that refused it last: a pause gives that run's refusals back
    flag("unreported"),  # it has ended, and whoever sent it is to hear of that and has not (reports/)
    flag("kept"),  # home has got it, and it is in the mailbox until `kept-days` are over
    string("way"),  # home, on which it went in flight last: imap; empty: SMTP
    Index("owed_next", "domain", "state", "next_attempt", "id"),
    Index("owed_of_account", "account", "state", "id"),
    Index("owed_kept", "domain", "ended", sqlite_where=text("kept = 1"), postgresql_where=text("kept = 1")),
    # Owed without a mailbox: what `user adopt` looks through.
    Index(
        "owed_held",
        "domain",
        "id",
        sqlite_where=text("account IS NULL AND ended = 0"),
        postgresql_where=text("account IS NULL AND ended = 0"),
    ),
    Index("owed_unreported", "id", sqlite_where=text("unreported = 1"), postgresql_where=text("unreported = 1")),
    Index(
        "owed_refused",
        "domain",
        sqlite_where=text("last_code >= 500 AND ended = 0"),
        postgresql_where=text("last_code >= 500 AND ended = 0"),
    ),
)

# How far the flush of a domain has come, as the process that does it writes down every few seconds.
progress = Table(
    "progress",
    metadata,
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    number("began"),
    number("done"),
    number("per_minute"),
    string("throttled"),  # home's words where it asks for less; empty: it does not
    number("noted"),
    **BY_KEY,
)

# What is to be sent to the world, a row per recipient; ended rows stay as long as the archive, so that `queue retry`
# can reopen them. Delivered ones go at once: tracking tells of them.
outgoing = Table(
    "outgoing",
    metadata,
    key(),  # shown by `queue list` and `track`
    number("domain"),  # whose mail it is; 0: the server's own
    Column("account", BigInteger, ForeignKey("account.id")),  # the sender; NULL: none of ours
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    string("kind", "outbound"),  # model/outgoing.py
    string("reverse_path"),
    string("recipient", None),  # as it was given
    string("destination", None),  # the recipient's domain, lower case, A-labels: what connections are shared by
    string("parameters"),  # as in `owed`
    string("subject"),
    string("message_id"),
    number("size"),
    number("received", None),
    number("expires", None),  # when it is given up
    string("state", "queued"),  # model/outgoing.py
    number("token"),
    number("lease_until"),
    number("attempts"),
    number("next_attempt"),
    Column("last_code", Integer, nullable=False, server_default="0"),
    string("last_text"),
    number("told"),  # when the sender was told of the delay; 0: not
    number("ended"),
    flag("unreported"),  # as in `owed`
    number("share"),  # whose share of the lanes it takes (queue/outgoing.py)
    # Read alone for what is due, past the long queue of somebody who has all the lanes that they may have.
    Index("outgoing_next", "state", "next_attempt", "id", "share", "destination"),
    Index("outgoing_of_destination", "destination", "state", "share", "next_attempt"),
    Index("outgoing_of_domain", "domain", "state"),
    Index("outgoing_of_account", "account"),
    Index("outgoing_unreported", "id", sqlite_where=text("unreported = 1"), postgresql_where=text("unreported = 1")),
    Index(
        "outgoing_late",
        "received",
        sqlite_where=text("ended = 0 AND told = 0"),
        postgresql_where=text("ended = 0 AND told = 0"),
    ),
)

# Messages answered whose client has not yet shown that it read the answer: the same one again is answered 250 without a
# second copy for 24 h. The row goes when the client goes on.
answered = Table(
    "answered",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),  # of reverse path, recipient and content
    number("time", None),
    string("text"),
    Index("answered_by_time", "time"),
    **BY_KEY,
)
