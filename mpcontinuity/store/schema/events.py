"""What administrators plan or play: outages declared for a set time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from mpcontinuity.store.schema.columns import flag, key, metadata, number, string

# An outage that is declared for a set time (accounts/plans.py). A server of an earlier version, which does not know the
# table, can remove a domain.
plan = Table(
    "plan",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    number("starts", None),
    number("ends", None),
    string("note"),
    string("planner"),  # the administrator's name
    flag("begun"),  # its beginning was announced
    number("ended"),  # 0: under way, or to come
    Index("plan_of_domain", "domain", "ended", "starts"),
)
