"""Outages of domains, and who hears of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, text

from mpcontinuity.store.schema.columns import BY_KEY, Text, key, metadata, number, string

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

# How many alerts an address has had of late, about all domains together.
alerted = Table(
    "alerted",
    metadata,
    Column("key", Text, primary_key=True),  # Address.key
    number("since"),  # when the day began that is counted
    number("mails"),
    **BY_KEY,
)

# A period in which continuity is at work for a domain.
outage = Table(
    "outage",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    number("began", None),
    number("ended"),  # 0: it goes on
    string("causes", "{}"),  # JSON: since when (µs), by alerts/outages.Cause
    string("reason"),
    string("told", "{}"),  # JSON: when (µs) each step was done, by its name
    number("snoozed_until"),
    number("recovered"),  # when all that was owed from it was sent or tried; 0: not yet
    string("report"),  # JSON of the recovery; empty: not yet
    Index("outage_of_domain", "domain", "id"),
    Index("outage_by_end", "ended"),
    Index(
        "outage_going_on",
        "domain",
        unique=True,
        sqlite_where=text("ended = 0"),
        postgresql_where=text("ended = 0"),
    ),
    Index(
        "outage_to_recover",
        "id",
        sqlite_where=text("recovered = 0"),
        postgresql_where=text("recovered = 0"),
    ),
)

# What subscribers were told of a domain that is no outage: a threshold that was passed, a flush that is paused.
alarm = Table(
    "alarm",
    metadata,
    Column(
        "domain",
        BigInteger,
        ForeignKey("domain.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("kind", Text, primary_key=True),  # alerts/alarms.py
    number("told"),  # when it began, as far as it was told
    number("over"),  # when it was over; 0: it goes on
    **BY_KEY,
)

# What all users of a domain are told, by an administrator or by the server, and how far that is (alerts/tellings.py).
telling = Table(
    "telling",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    number("outage"),  # that it tells of; 0: none
    string("subject", None),
    string("text", None),
    string("author"),  # the administrator; empty: the server itself
    number("reached"),  # the id of the last user who was told
    number("last"),  # the last who is to be told; 0: all
    number("users"),
    number("mails"),  # to alternate addresses
    number("stepped"),  # when somebody was at it
    number("ended"),
    Index("telling_of_domain", "domain", "id"),
    Index("telling_of_outage", "outage", sqlite_where=text("outage > 0"), postgresql_where=text("outage > 0")),
    Index("telling_open", "id", sqlite_where=text("ended = 0"), postgresql_where=text("ended = 0")),
)
