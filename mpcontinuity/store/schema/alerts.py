"""Outages of domains, and who hears of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from mpcontinuity.store.schema.columns import BY_KEY, Text, metadata, number, string

# Who hears of the availability of a domain: any address, not only of users.
subscriber = Table(
    "subscriber",
    metadata,
    Column(
        "domain",
        BigInteger,
        ForeignKey("domain.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("key", Text, primary_key=True),  # Address.key
    string("address", None),  # as it was given
    number("created"),
    Index("subscriber_by_key", "key"),
    **BY_KEY,
)
