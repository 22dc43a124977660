"""What users write by webmail, until it is sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, text

from mpcontinuity.store.schema.columns import key, metadata, number, string

# mailbox/drafts.py. No foreign keys: a draft whose user or message goes is swept.
draft = Table(
    "draft",
    metadata,
    key(),
    number("account", None),
    number("version", None),  # counts what was saved
    number("entry"),  # of its message in Drafts; 0: none
    number("due"),  # when it leaves; 0: it is being written
    number("claimed"),  # until when a process has it in hand that leaves
    number("saved"),
    string("message_id"),  # by which it leaves
    string("fault"),  # why it was not sent, in words
    string("written"),  # JSON: what stands in the form; last, since SQLite reads all that stands before a column
    Index("draft_of", "account", "saved"),
    Index("draft_by_due", "due", sqlite_where=text("due > 0"), postgresql_where=text("due > 0")),
    Index("draft_leaving", "account", "due", sqlite_where=text("due > 0"), postgresql_where=text("due > 0")),
    Index("draft_unsent", "account", "saved", sqlite_where=text("fault <> ''"), postgresql_where=text("fault <> ''")),
)

# mailbox/enclosures.py. What is attached to drafts.
enclosure = Table(
    "enclosure",
    metadata,
    key(),
    number("account", None),  # of its draft: another's draft of the same id has nothing of it
    number("draft", None),
    string("name"),
    string("kind"),  # its media type
    number("size"),  # octets, as they were announced
    number("received"),  # of them
    string("role"),  # empty: a file; picture: one that the text shows; quote: what a letter quotes, as JSON
    string("content_id"),  # by which the text names it
    Index("enclosure_of", "draft"),
    Index("enclosure_by_account", "account", "size"),
)

# Its octets. As with `content`, the key is beside the rows.
enclosure_piece = Table(
    "enclosure_piece",
    metadata,
    Column("enclosure", BigInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
