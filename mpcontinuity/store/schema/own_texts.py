"""Texts that users leave for the server to use in their name: the signature of their letters, and their vacation
text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table

from mpcontinuity.store.schema.columns import BY_KEY, flag, metadata, string

# mailbox/signature.py. No signature of DKIM, which is of a domain.
signature = Table(
    "signature",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    string("text"),
    flag("new"),  # new letters begin with it
    flag("answers"),  # answers do, and what is forwarded
    **BY_KEY,
)
