"""Who hears of changes of state by HTTPS."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from mpcontinuity.store.schema.columns import BY_KEY, flag, key, metadata, number, string

webhook = Table(
    "webhook",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    string("url", None),
    string("secret", None),  # signs; in clear, because both sides need it
    string("authorities"),  # a PEM file; empty: the system's
    number("created"),
    number("missed"),  # events that were dropped since one was delivered last
    number("tried"),  # when an event was sent last; 0: never
    string("said"),  # what was answered then
    Index("webhook_of_domain", "domain", "url", unique=True),
)

# What is still to be told to each hook, in the order of the ids.
webhook_event = Table(
    "webhook_event",
    metadata,
    key(),
    Column("webhook", BigInteger, ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    string("event", None),  # JSON, without the number of those that were missed
    number("created"),
    number("attempts"),
    number("next_attempt"),
    Index("webhook_event_of_hook", "webhook", "id"),
)

# What the hooks of a domain have been told of, so that what happens while no process runs is told afterwards.
webhook_told = Table(
    "webhook_told",
    metadata,
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    number("change"),  # the last row of home_change
    string("state"),  # of the home server
    string("paused"),
    flag("declared"),
    flag("contained"),
    flag("behind"),  # there was an outage, and what it left owed has not all gone home
    **BY_KEY,
)
