"""Who is signed in by a browser, by what besides a password they sign in, and what the API has answered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table

from mpcontinuity.store.schema.columns import BY_KEY, Text, key, metadata, number, string

# Sessions of browsers (accounts/web_sessions.py), of administrators and of users.
web_session = Table(
    "web_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the secret in the cookie, which is nowhere
    number("id", None),  # shown where sessions are listed
    string("kind", None),  # administrator | user | setup
    string("whose", None),  # the administrator's name, or the id of the user's account
    number("password", None),  # which of their passwords was proved: with a later one it ends
    string("step"),  # what is still asked before anybody is signed in: code | enrol; empty: nothing
    number("created", None),
    number("seen", None),  # to a minute or so
    number("idle_end", None),  # when it ends unless it is used before; never after `ends`
    number("ends", None),  # in any case
    string("peer"),  # the client's IP address at its beginning
    string("agent"),  # what the browser calls itself, cut
    string("flash"),  # what the next page says of what was just done
    Index("web_session_of", "kind", "whose", "created"),
    Index("web_session_by_id", "id"),
    Index("web_session_by_end", "idle_end"),
    **BY_KEY,
)

# The second factor of an administrator (accounts/second_factor.py). A server of an earlier version, which does not
# know the table, can remove an administrator.
totp = Table(
    "totp",
    metadata,
    Column("administrator", Text, ForeignKey("administrator.name", ondelete="CASCADE"), primary_key=True),
    string("secret"),  # base32, as authenticators take it; empty: none yet
    number("since"),  # when it was confirmed
    number("step"),  # the last 30 seconds, counted since 1970, whose code was used: none is taken twice
    number("wrong"),  # codes in a row
    string("next_secret"),  # that waits to be confirmed; empty: none
    number("begun"),  # when that was made
    **BY_KEY,
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("administrator", Text, ForeignKey("administrator.name", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    **BY_KEY,
)

# What users sign in to webmail by besides a password (accounts/user_factors.py): a row for each thing that they have. A
# passkey will be a row of another kind, whose `handle` is the id of its credential, `secret` its public key, and `used`
# its counter of signatures (https://www.w3.org/TR/webauthn-3/#sctn-op-sign-count).
user_factor = Table(
    "user_factor",
    metadata,
    key(),
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    string("kind", None),  # totp
    string("name"),  # what its user calls it
    Column("handle", LargeBinary, nullable=False),  # by which it calls itself; a TOTP has none
    string("secret"),  # of a TOTP: base32, as authenticators take it
    number("used"),  # of a TOTP: the last 30 seconds, counted since 1970, whose code was used: none is taken twice
    number("wrong"),  # codes in a row
    number("created", None),
    number("since"),  # when it was confirmed; 0: it waits for that, and is asked for by nobody
    number("last_used"),
    string("details"),  # what else its kind needs, as JSON
    Index("user_factor_of", "account", "kind"),
)

# For users who have none of these at hand: each is good once.
user_recovery_code = Table(
    "user_recovery_code",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    **BY_KEY,
)

# What was answered to requests that have an Idempotency-Key (admin/api/repetition.py).
answered_request = Table(
    "answered_request",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # of the administrator's name and the key
    string("administrator", None),
    number("created", None),
    Column("fingerprint", LargeBinary, nullable=False),  # of the request: the same key is for the same request alone
    number("code"),  # of HTTP; 0: it is under way, or its process ended before its answer
    string("body"),  # JSON; empty where it is not kept: it has a secret, or is long
    Index("answered_request_of", "administrator", "created"),
    Index("answered_request_by_time", "created"),
    **BY_KEY,
)

# What takes long and was begun by a form of the portal (admin/portal/runs.py): how far it has come, and what came of
# it.
page_run = Table(
    "page_run",
    metadata,
    key(),
    string("administrator", None),
    string("operation", None),
    string("about"),  # what it is done for, as JSON
    number("begun", None),
    number("seen", None),  # when something was heard of it: a process that ends says nothing
    number("ended"),  # 0: it is under way
    string("said"),  # of its progress, the last, as JSON
    string("result"),  # as JSON; empty where there is none
    string("failed"),  # why it ended before its end, as a sentence
    Index("page_run_of", "administrator", "begun"),
    Index("page_run_by_time", "begun"),
)
