"""Texts that users leave for the server to use in their name: the signature of their letters, and their vacation
text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from mpcontinuity.store.schema.columns import BY_KEY, Text, flag, metadata, number, string

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

# accounts/vacation.py. When it is sent is a column of `account`, which is read with every message anyway.
vacation = Table(
    "vacation",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    string("subject"),  # empty: that of the message that is answered
    string("text"),
    number("begins"),  # for mail that comes from then on; 0: from ever
    number("ends"),  # and before then; 0: for ever
    **BY_KEY,
)

# queue/vacation.py: mail that may be answered, a minute at the most. No foreign keys: it is written with every message.
vacation_due = Table(
    "vacation_due",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, primary_key=True),  # Address.untagged_key of the reverse path
    number("body", None),
    string("recipient"),  # as it was written to
    string("reverse_path"),
    number("received"),
    flag("submitted"),  # its sender has logged in
    **BY_KEY,
)

# Who was answered, and when: once within a week.
vacation_answer = Table(
    "vacation_answer",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, primary_key=True),
    number("time", None),
    Index("vacation_answer_of", "account", "time"),
    Index("vacation_answer_by_time", "time"),
    **BY_KEY,
)
