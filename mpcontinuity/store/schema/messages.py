"""Where messages are kept, and what was found out about them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, text

from mpcontinuity.store.schema.columns import BY_KEY, flag, key, metadata, number, string

pack = Table(
    "pack",
    metadata,
    key(),
    string(
        "kind", None
    ),  # mail | draft | kept | solo; database: the row with id 0, that messages in `content` refer to
    number("day"),  # expiry day, in days since 1970
    number("created"),
    flag("sealed"),
    number("gone"),  # when it may be unlinked; 0: in use
    number("node"),  # the process that appends to it; 0: none
)

# Where the bytes of a message are. Everything that needs a message refers to body.id; with lineage: a COPY has the
# same body as its origin, so 'does the user still have it' is a question about body.
body = Table(
    "body",
    metadata,
    key(),
    Column("pack", BigInteger, ForeignKey("pack.id"), nullable=False, index=True),
    number("offset", None),  # of the first byte of what the user sees (Return-Path, Received, content)
    number("length", None),  # of what the user sees
    number("prefix"),  # bytes of Return-Path at its beginning, which home is not sent
    number("crc", None),  # CRC-32C of what the user sees
    number("keep_until"),  # 0: no end (owed, held or in a mailbox); else the latest over what refers to it
    number("origin"),  # the body that a client appended anew, with its trace headers; 0: none
    Index("body_by_origin", "origin", sqlite_where=text("origin > 0"), postgresql_where=text("origin > 0")),
)

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

# What SPF, DKIM and DMARC said when the message came: at redelivery it is too late to ask.
verdict = Table(
    "verdict",
    metadata,
    Column("body", BigInteger, ForeignKey("body.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    string("spf"),  # pass | fail | … (RFC 8601 §2.7); empty: not asked yet
    string("dkim"),
    string("dmarc"),
    string("details"),  # the value of an Authentication-Results field
    **BY_KEY,
)
