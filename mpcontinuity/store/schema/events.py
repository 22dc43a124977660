"""What administrators plan or play: outages that are declared for a set time, and drills."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from mpcontinuity.store.schema.columns import BY_KEY, Text, flag, key, metadata, number, string

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

# An outage that is played for some users (accounts/drills.py).
drill = Table(
    "drill",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    number("starts", None),
    number("ends", None),
    string("users", "[]"),  # JSON: [[account, address], …]
    string("administrator"),  # who began it
    number("ended"),  # 0: it is under way
    string("report"),  # JSON, once all of its mail is home
    Index("drill_of_domain", "domain", "ended"),
)

# Who has logged in during a drill, and by what.
drill_login = Table(
    "drill_login",
    metadata,
    Column("drill", BigInteger, ForeignKey("drill.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("door", Text, primary_key=True),
    number("first", None),
    number("last", None),
    number("times"),
    **BY_KEY,
)
