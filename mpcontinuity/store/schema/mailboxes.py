"""Mailboxes and what is in them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, SmallInteger, Table

from mpcontinuity.store.schema.columns import BY_KEY, Id, Text, flag, key, metadata, number, string

mailbox = Table(
    "mailbox",
    metadata,
    key(),  # below 2**31: entry.id has it above the UID
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    string("name", None),  # UTF-8, '/' between levels, INBOX in capitals
    string("use"),  # special use: \Sent \Drafts \Trash \Junk \Archive, or empty
    number("uidvalidity", None),
    number("uidnext", "1"),
    number("modseq", "1"),
    number("expunged_floor"),  # modseq below which `expunged` no longer tells what went
    number("messages"),
    number("unseen"),
    number("octets"),
    number("deleted"),
    number("recent"),  # the last UID that a session was told of as \\Recent
    Index("mailbox_by_name", "account", "name", unique=True),
)

subscription = Table(
    "subscription",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    **BY_KEY,
)

# Of whose mail a user wants to see pictures that their browser loads from elsewhere.
trusted_sender = Table(
    "trusted_sender",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("address", Text, primary_key=True),  # in lower case
    number("added", None),
    **BY_KEY,
)

# What a user has answered to invitations.
invitation_answer = Table(
    "invitation_answer",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("event", Text, primary_key=True),  # hash of the event's id, and of which one of those that are repeated
    number("draft", None),  # the letter that says so, or that has said so
    string("answer", None),  # accepted, tentative or declined
    number("time", None),
    string("sent_answer"),  # the one before, which has left: it stands where this one is called back
    number("sent_time"),
    Index("invitation_answer_by_draft", "draft"),
    **BY_KEY,
)

keyword = Table(
    "keyword",
    metadata,
    Column("mailbox", Id, ForeignKey("mailbox.id"), primary_key=True),
    Column("bit", SmallInteger, primary_key=True),  # 8 to 61 of entry.flags
    string("name", None),
    **BY_KEY,
)

entry = Table(
    "entry",
    metadata,
    key(),  # mailbox << 32 | uid
    Column("body", BigInteger, ForeignKey("body.id"), nullable=False, index=True),
    number("flags"),
    number("modseq", None),
    number("internaldate", None),
    number("size", None),
    Column("rendered", LargeBinary, nullable=False),  # message/rendered.py
    number("pop3_added"),  # octets that POP3 sends beyond size
)

# In which conversation an entry is: beside the entries, whose rows are wide, so that a folder's conversations are read
# in few pages and an older store is filled without writing its entries anew.
conversation_entry = Table(
    "conversation_entry",
    metadata,
    key(),  # entry.id
    number("conversation", None),
    Index("conversation_entries", "conversation", "id"),
)

# Of which conversation a message is, by a digest of its Message-ID and of whose mail it is in
# (mailbox/conversations.py).
conversation_key = Table(
    "conversation_key",
    metadata,
    key(),
    number("conversation", None),
)

expunged = Table(
    "expunged",
    metadata,
    Column("mailbox", Id, ForeignKey("mailbox.id"), primary_key=True),
    Column("modseq", BigInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    number("last", None),
    **BY_KEY,
)

# Copies in Sent of late, by a digest of their Message-ID: ours, and those that clients append themselves and that
# replace ours.
sent = Table(
    "sent",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", Text, primary_key=True),
    Column("body", BigInteger, nullable=False),
    flag("own"),  # the client's own
    Column("time", BigInteger, nullable=False),
    Index("sent_by_time", "time"),
    **BY_KEY,
)
