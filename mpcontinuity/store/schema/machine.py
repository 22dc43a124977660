"""Facts about the store and the processes that share it."""

from __future__ import annotations

from sqlalchemy import Column, Index, SmallInteger, Table

from mpcontinuity.store.schema.columns import BY_KEY, Text, key, metadata, number, string

# Facts about the store itself: schema generation, the last lease sweep, counters of `report`.
meta = Table("meta", metadata, Column("key", Text, primary_key=True), string("value", None), **BY_KEY)

# The processes that have opened the store, on PostgreSQL; a live one holds the advisory lock of its id.
node = Table("node", metadata, key(), string("host"), number("started"), number("seen"))

# What client hosts have taken of late, as far as processes tell each other (model/rations.py).
spending = Table(
    "spending",
    metadata,
    Column("host", Text, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    number("amount"),
    number("last"),
    Index("spending_by_time", "last"),
    **BY_KEY,
)
