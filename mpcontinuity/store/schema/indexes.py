"""The index of the archive's words: segments of some thousand messages, each written once and dropped whole."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from mpcontinuity.store.schema.columns import key, metadata, number

# A segment is in the index when its row is here; its blocks and places are written before that, and dropped behind it.
archive_segment = Table(
    "archive_segment",
    metadata,
    key(),
    number("day", None),  # on which its messages came, in days since 1970
    number("expires", None),  # the day on which their rows in `archive` expire, as they were indexed
    number("messages", None),
    number("first", None),  # the least of the ids of its messages
    number("last", None),
    number("oldest", None),  # the least of their times
    number("newest", None),
    number("blocks", None),
    number("octets", None),  # of its blocks
    number("partly"),  # messages whose content could not be read, or not all of it
    Index("archive_segment_newest", "newest"),
    Index("archive_segment_last", "last"),
)

# Terms and the messages that have them (archive/segment.py). The key is beside the rows, which are some KiB each.
archive_block = Table(
    "archive_block",
    metadata,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("first", LargeBinary, primary_key=True),  # its first term
    Column("data", LargeBinary, nullable=False),
)

# Times and ids of a segment's messages, by their numbers (archive/index.py).
archive_place = Table(
    "archive_place",
    metadata,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
