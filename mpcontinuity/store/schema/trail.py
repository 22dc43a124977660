"""The audit trail: who did what. Rows are added, and dropped after a year; nothing changes one."""

from __future__ import annotations

from sqlalchemy import Index, Table

from mpcontinuity.store.schema.columns import key, metadata, number, string

# What an administrator, or a user for themselves, asked for (accounts/audit.py): written before it is done.
audit = Table(
    "audit",
    metadata,
    key(),
    number("time", None),
    string("name", None),  # of who asked
    string("origin"),  # how they came
    string("operation", None),
    string("object"),  # what it is about, without secrets
    string("domain"),  # whose administrators see it; empty: those of all domains alone
    string("result"),  # of what was refused at once; else empty: it began
    Index("audit_of_domain", "domain", "id"),
    Index("audit_by_name", "name", "id"),
)

# How it ended. What has no row here was cut off by a crash, or is still under way.
audit_end = Table("audit_end", metadata, key(), number("time", None), string("result", None))  # id: of audit
