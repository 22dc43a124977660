"""The tables. Times are integer µs UTC, and ids have 64 bits (model/identifier.py) unless something else is said.

The DDL that runs is in migrations/; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    text,
)

metadata = MetaData()

# The packages whose SQL names each table: the first writes it, the others only read it, in joins that its owner could
# not make. Whoever else needs a change asks a function of the owner (tests/store/test_schema.py holds it).
OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "meta": ("store",),
    "domain": ("accounts", "check", "control", "queue"),
    "account": ("accounts", "check", "control", "mailbox", "queue"),
    "address": ("accounts", "check"),
    "taken": ("accounts",),
    "mailbox": ("mailbox", "accounts", "check", "queue"),
    "subscription": ("mailbox",),
    "keyword": ("mailbox",),
    "entry": ("mailbox", "check", "queue", "store"),
    "expunged": ("mailbox", "check"),
    "pack": ("store", "check"),
    "body": ("store", "check", "mailbox", "queue", "verdicts"),
    "owed": ("queue", "check", "control", "store"),
    "tracking": ("tracking", "accounts", "check", "control", "queue"),
    "archive": ("archive", "check", "store"),
    "answered": ("delivery",),
    "administrator": ("accounts",),
    "token": ("accounts",),
    "node": ("store",),
    "content": ("store",),
    "outgoing": ("queue", "check", "control", "store"),
    "dkim": ("accounts",),
    "verdict": ("verdicts", "queue"),
    "sent": ("mailbox",),
    "login_failure": ("accounts",),
    "spending": ("door",),
    "home_change": ("accounts",),
}

# SQLite makes only a column declared INTEGER PRIMARY KEY the key of the table's tree; BIGINT would be a second index.
_Id = BigInteger().with_variant(Integer(), "sqlite")

# Compared byte by byte, as SQLite does, whatever the locale of the database is.
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")

# Tables whose key is not one integer are stored in the order of that key, instead of behind a second tree.
_BY_KEY: Any = {"sqlite_with_rowid": False}


def _id(name: str = "id") -> Column[int]:
    return Column(name, _Id, primary_key=True, autoincrement=False)


def _number(name: str, default: str | None = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _flag(name: str, default: str = "0") -> Column[int]:
    """0 or 1: SQLite and PostgreSQL agree on integers, not on booleans."""
    return Column(name, SmallInteger, nullable=False, server_default=default)


# Facts about the store itself: schema generation, the last lease sweep, counters of `report`.
meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value", None), **_BY_KEY)

domain = Table(
    "domain",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),  # lower case
    _text("settings", "{}"),  # DomainSettings as JSON; what is not there has its default
    _number("created"),
    # The home server as last seen: model of routing/health.py, changed by compare-and-set.
    _text("state", "up"),
    _number("since"),
    _text("reason"),
    _number("relapses"),
    _text("offers"),  # JSON of home's last EHLO: {"SIZE": 123, "SMTPUTF8": true}
    _number("uptime"),  # µs in which home was up and mode not 'enabled': what give_up counts
    _text("paused"),  # why the flush is paused; empty when it is not
    _number("last_failure"),  # of a home that is suspect for it; 0: none
    _number("recovered"),  # when it last left `down`
)

account = Table(
    "account",
    metadata,
    _id(),
    Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False, index=True),
    _text("address", None),  # as shown
    _text("name"),
    _text("password"),  # passlib hash; empty: none
    _text("status", "inactive"),  # active | inactive | pending
    _text("source", "manual"),  # manual | import | relay-check | directory
    _flag("opt_in"),
    _number("created"),
    _number("taken_in"),  # ledger: what was ever owed; checked against the rows by `report`
    _number("folded_delivered"),  # terminal owed rows that retention has dropped, by outcome
    _number("folded_deleted"),
    _number("folded_failed"),
    _number("folded_expired"),
    _number("folded_released"),
    _text("scram"),  # protocols/sasl/scram.Keys; empty: none yet, made at the next login with a password
    _flag("relay"),  # stands for the home server: sends in the name of anybody of the domain
    _number("password_changes"),  # how many: sessions of an earlier password end
    Index(
        "account_found",
        "domain",
        "created",
        sqlite_where=text("source = 'relay-check'"),
        postgresql_where=text("source = 'relay-check'"),
    ),
)

# Every address of every user, their own first: what a recipient, a sender and a login are looked up in.
address = Table(
    "address",
    metadata,
    Column("key", Text, primary_key=True),  # Address.key
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False, index=True),
    _flag("alias"),
    **_BY_KEY,
)

# Unregistered addresses that home took lately (`unregistered = hold`), renewed once a day at the most.
taken = Table("taken", metadata, Column("key", Text, primary_key=True), _number("time"), **_BY_KEY)

mailbox = Table(
    "mailbox",
    metadata,
    _id(),  # below 2**31: entry.id has it above the UID
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    _text("name", None),  # UTF-8, '/' between levels, INBOX in capitals
    _text("use"),  # special use: \Sent \Drafts \Trash \Junk \Archive, or empty
    _number("uidvalidity", None),
    _number("uidnext", "1"),
    _number("modseq", "1"),
    _number("expunged_floor"),  # modseq below which `expunged` no longer tells what went
    _number("messages"),
    _number("unseen"),
    _number("octets"),
    _number("deleted"),
    _number("recent"),  # the last UID that a session was told of as \\Recent
    Index("mailbox_by_name", "account", "name", unique=True),
)

subscription = Table(
    "subscription",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    **_BY_KEY,
)

keyword = Table(
    "keyword",
    metadata,
    Column("mailbox", _Id, ForeignKey("mailbox.id"), primary_key=True),
    Column("bit", SmallInteger, primary_key=True),  # 8 to 61 of entry.flags
    _text("name", None),
    **_BY_KEY,
)

entry = Table(
    "entry",
    metadata,
    _id(),  # mailbox << 32 | uid
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    _number("flags"),
    _number("modseq", None),
    _number("internaldate", None),
    _number("size", None),
    Column("rendered", LargeBinary, nullable=False),  # message/rendered.py
    _number("pop3_added"),  # octets that POP3 sends beyond size
)

expunged = Table(
    "expunged",
    metadata,
    Column("mailbox", _Id, ForeignKey("mailbox.id"), primary_key=True),
    Column("modseq", BigInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    _number("last", None),
    **_BY_KEY,
)

pack = Table(
    "pack",
    metadata,
    _id(),
    _text("kind", None),  # mail | draft | kept | solo; database: the row with id 0, that messages in `content` refer to
    _number("day"),  # expiry day, in days since 1970
    _number("created"),
    _flag("sealed"),
    _number("gone"),  # when it may be unlinked; 0: in use
    _number("node"),  # the process that appends to it; 0: none
)

# Where the bytes of a message are. Everything that needs a message refers to body.id; with lineage: a COPY has the
# same body as its origin, so 'does the user still have it' is a question about body.
body = Table(
    "body",
    metadata,
    _id(),
    Column("pack", BigInteger, ForeignKey("pack.id"), nullable=False, index=True),
    _number("offset", None),  # of the first byte of what the user sees (Return-Path, Received, content)
    _number("length", None),  # of what the user sees
    _number("prefix"),  # bytes of Return-Path at its beginning, which home is not sent
    _number("crc", None),  # CRC-32C of what the user sees
    _number("keep_until"),  # 0: no end (owed, held or in a mailbox); else the latest over what refers to it
    _number("origin"),  # the body that a client appended anew, with its trace headers; 0: none
    Index("body_by_origin", "origin", sqlite_where=text("origin > 0"), postgresql_where=text("origin > 0")),
)

owed = Table(
    "owed",
    metadata,
    _id(),  # shown in X-MPContinuity-Id
    Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False),
    Column("account", BigInteger, ForeignKey("account.id")),  # NULL: owed without a mailbox (yet)
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    _text("kind", "redelivery"),  # redelivery | sent
    _text("reverse_path"),
    _text("recipient", None),  # the RCPT address as it was given
    _text("parameters"),  # JSON: BODY, SMTPUTF8, RET, ENVID, NOTIFY, ORCPT as they were given
    _text("subject"),
    _text("message_id"),
    _number("size"),
    _number("received", None),
    _text("state", "owed"),  # model/owed.py
    _number("token"),  # of the lease: every update of a claimed row names it
    _number("lease_until"),
    _number("attempts"),
    _number("next_attempt"),
    _number("uptime_at", "0"),  # domain.uptime when it became owed
    _number("ended"),
    Column("last_code", Integer, nullable=False, server_default="0"),
    _text("last_text"),
    _number("run"),  # of the flush that refused it last: a pause gives that run's refusals back
    _flag("unreported"),  # it has ended, and whoever sent it is to hear of that and has not (reports/)
    Index("owed_next", "domain", "state", "next_attempt", "id"),
    Index("owed_of_account", "account", "state"),
    Index("owed_unreported", "id", sqlite_where=text("unreported = 1"), postgresql_where=text("unreported = 1")),
    Index(
        "owed_refused",
        "domain",
        sqlite_where=text("last_code >= 500 AND ended = 0"),
        postgresql_where=text("last_code >= 500 AND ended = 0"),
    ),
)

tracking = Table(
    "tracking",
    metadata,
    _id(),
    Column("domain", BigInteger, nullable=False, server_default="0"),
    _number("received", None),
    _text("direction", None),
    _text("sender"),
    _text("recipient"),
    _text("recipient_key"),
    _text("message_id"),
    _text("subject"),
    _number("size"),
    _text("status", None),
    _flag("continuity"),
    _text("outcome"),  # empty: null
    Column("code", Integer, nullable=False, server_default="0"),
    _text("text"),
    _text("events", "[]"),  # JSON: [[time µs, host, code, text], …]
    Column("owed", BigInteger, nullable=False, server_default="0", index=True),
    Index("tracking_newest", "domain", "received"),
    Index("tracking_recipient", "recipient_key", "received"),
)

archive = Table(
    "archive",
    metadata,
    _id(),
    Column("domain", BigInteger, nullable=False),
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    _number("time", None),
    _text("direction", None),
    _text("sender"),
    _text("recipients", "[]"),  # JSON array of addresses as given
    _text("subject"),
    _text("message_id"),
    _number("size"),
    _number("expires"),
    Index("archive_newest", "domain", "time"),
    Index("archive_expiry", "expires"),
)

# Messages answered whose client has not yet shown that it read the answer: the same one again is answered 250 without a
# second copy for 24 h. The row goes when the client goes on.
answered = Table(
    "answered",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),  # of reverse path, recipient and content
    _number("time", None),
    _text("text"),
    Index("answered_by_time", "time"),
    **_BY_KEY,
)

administrator = Table(
    "administrator",
    metadata,
    Column("name", Text, primary_key=True),
    _text("password"),
    _text("domain"),  # empty: all
    _number("created"),
    _number("password_id"),  # of the present password: what was proved by an earlier one ends
    **_BY_KEY,
)

token = Table(
    "token",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _text("administrator", None),
    _number("expires"),
    _number("created"),
    _number("id"),  # shown where tokens are listed; 0: made by a node of an earlier version
    _text("domain"),  # the only one that it is good for; empty: as its administrator
    _flag("read_only"),
    _number("last_used"),  # to a minute or so
    Index("token_by_id", "id"),
    **_BY_KEY,
)

# The processes that have opened the store, on PostgreSQL; a live one holds the advisory lock of its id.
node = Table("node", metadata, _id(), _text("host"), _number("started"), _number("seen"))

# Messages in the database (`[store] messages = "database"`): the rows of `body` whose pack is 0. A message is an entry
# as in a pack (bodies/layout.py), cut into pieces. No foreign key: it is durable before its row of `body` is. Its
# key is beside the rows: in the order of the key itself, pieces of 64 KiB would stand in every node of the tree.
content = Table(
    "content",
    metadata,
    Column("body", BigInteger, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# What is to be sent to the world, a row per recipient; ended rows stay as long as the archive, so that `queue retry`
# can reopen them. Delivered ones go at once: tracking tells of them.
outgoing = Table(
    "outgoing",
    metadata,
    _id(),  # shown by `queue list` and `track`
    _number("domain"),  # whose mail it is; 0: the server's own
    Column("account", BigInteger, ForeignKey("account.id")),  # the sender; NULL: none of ours
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    _text("kind", "outbound"),  # model/outgoing.py
    _text("reverse_path"),
    _text("recipient", None),  # as it was given
    _text("destination", None),  # the recipient's domain, lower case, A-labels: what connections are shared by
    _text("parameters"),  # as in `owed`
    _text("subject"),
    _text("message_id"),
    _number("size"),
    _number("received", None),
    _number("expires", None),  # when it is given up
    _text("state", "queued"),  # model/outgoing.py
    _number("token"),
    _number("lease_until"),
    _number("attempts"),
    _number("next_attempt"),
    Column("last_code", Integer, nullable=False, server_default="0"),
    _text("last_text"),
    _number("told"),  # when the sender was told of the delay; 0: not
    _number("ended"),
    _flag("unreported"),  # as in `owed`
    _number("share"),  # whose share of the lanes it takes (queue/outgoing.py)
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

# The key that signs the mail of a domain's users.
dkim = Table(
    "dkim",
    metadata,
    Column("domain", BigInteger, ForeignKey("domain.id"), primary_key=True, autoincrement=False),
    _text("selector", None),
    _text("private_key", None),  # PEM
    _number("created"),
    _text("next_selector"),  # of the key that takes over once DNS has it; empty: none
    _text("next_key"),
    **_BY_KEY,
)

# What SPF, DKIM and DMARC said when the message came: at redelivery it is too late to ask.
verdict = Table(
    "verdict",
    metadata,
    Column("body", BigInteger, ForeignKey("body.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _text("spf"),  # pass | fail | … (RFC 8601 §2.7); empty: not asked yet
    _text("dkim"),
    _text("dmarc"),
    _text("details"),  # the value of an Authentication-Results field
    **_BY_KEY,
)

# Copies in Sent of late, by a digest of their Message-ID: ours, and those that clients append themselves and that
# replace ours.
sent = Table(
    "sent",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", Text, primary_key=True),
    Column("body", BigInteger, nullable=False),
    _flag("own"),  # the client's own
    Column("time", BigInteger, nullable=False),
    Index("sent_by_time", "time"),
    **_BY_KEY,
)

# Failed logins of late, by client host and name (accounts/throttle.py): a digest, or nothing for all names together.
login_failure = Table(
    "login_failure",
    metadata,
    Column("host", Text, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    _number("failures"),
    _number("last"),
    Index("login_failure_by_time", "last"),
    **_BY_KEY,
)

# What client hosts have taken of late, as far as processes tell each other (model/rations.py).
spending = Table(
    "spending",
    metadata,
    Column("host", Text, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    _number("amount"),
    _number("last"),
    Index("spending_by_time", "last"),
    **_BY_KEY,
)

# Each change of a home server's state (accounts/home_history.py). A server of an earlier version, which does not know
# the table, can remove a domain.
home_change = Table(
    "home_change",
    metadata,
    _id(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    _number("time", None),  # when the state began
    _text("state", None),  # up | down | recovering
    _text("reason"),
    _text("node"),  # which process noted it; empty: the only one
    _number("left_out"),  # later changes that have no row, since there were too many in a day
    Index("home_change_of_domain", "domain", "id"),
)
