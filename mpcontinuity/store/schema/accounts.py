"""Domains, their users and administrators, and what is known of their home servers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, text

from mpcontinuity.store.schema.columns import BY_KEY, Text, flag, key, metadata, number, string

domain = Table(
    "domain",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),  # lower case
    string("settings", "{}"),  # DomainSettings as JSON; what is not there has its default
    number("created"),
    # The home server as last seen: model of routing/health.py, changed by compare-and-set.
    string("state", "up"),
    number("since"),
    string("reason"),
    number("relapses"),
    string("offers"),  # JSON of home's last EHLO: {"SIZE": 123, "SMTPUTF8": true}
    number("uptime"),  # µs in which home was up and mode not 'enabled': what give_up counts
    string("paused"),  # why the flush is paused; empty when it is not
    number("last_failure"),  # of a home that is suspect for it; 0: none
    number("recovered"),  # when it last left `down`
    number("mode_since"),  # when an administrator last changed the mode
    string("mode_by"),  # and who that was
    number("contained"),  # since when home is cut off: nothing goes there; 0: it is not
    string("contained_by"),  # the administrator who did that
    string("contained_note"),
    number("nobody_asked"),  # when home last said whether it takes mail for an address that nobody has; 0: never
    flag("takes_nobody"),  # it does
    string("proof", "probes"),  # what ends `down`: routing/health.py
)

home_users = Table(
    "home_users",
    metadata,
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    number("found"),  # since when a probe finds that home's users cannot use it; 0: it does not
    string("found_reason"),
    number("said"),  # since when somebody says so; 0: nobody does
    string("said_by"),
    string("said_note"),
    **BY_KEY,
)

account = Table(
    "account",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id"), nullable=False, index=True),
    string("address", None),  # as shown
    string("name"),
    string("password"),  # passlib hash; empty: none
    string("status", "inactive"),  # active | inactive | pending
    string("source", "manual"),  # manual | import | relay-check | directory
    flag("opt_in"),
    number("created"),
    number("taken_in"),  # ledger: what was ever owed; checked against the rows by `report`
    number("folded_delivered"),  # terminal owed rows that retention has dropped, by outcome
    number("folded_deleted"),
    number("folded_failed"),
    number("folded_expired"),
    number("folded_released"),
    string("scram"),  # protocols/sasl/scram.Keys; empty: none yet, made at the next login with a password
    flag("relay"),  # stands for the home server: sends in the name of anybody of the domain
    number("password_changes"),  # how many: sessions of an earlier password end
    number("last_login"),  # to a minute or so; 0: never, as far as is known
    string("last_login_by"),  # IMAP | POP3 | SMTP | web
    string("alternate"),  # where the user reads mail that needs neither home nor us; empty: not known
    number("absorbed_by"),  # the account that takes over the mail of this one, which is removed then; 0: none
    string("language"),  # in which the user reads pages, by its code; empty: as their browser wishes
    flag("vacation"),  # when their vacation text is sent (accounts/vacation.py); 0: never
    Index(
        "account_found",
        "domain",
        "created",
        sqlite_where=text("source = 'relay-check'"),
        postgresql_where=text("source = 'relay-check'"),
    ),
)

# Passwords that one device of a user logs in by (accounts/app_passwords.py). A server of an earlier version, which does
# not know the table, can remove a user.
app_password = Table(
    "app_password",
    metadata,
    key(),
    Column("account", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False),
    string("scram"),  # protocols/sasl/scram.Keys, of the salt that all passwords of the user share
    string("name"),  # of the device
    number("created"),
    number("last_used"),  # to a minute or so; 0: never
    string("last_used_by"),  # IMAP | POP3 | SMTP | web
    string("last_used_from"),  # IP address
)

# Every address of every user, their own first: what a recipient, a sender and a login are looked up in.
address = Table(
    "address",
    metadata,
    Column("key", Text, primary_key=True),  # Address.key
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False, index=True),
    flag("alias"),
    number("since"),  # µs, when it was taken from whoever had it before: what the archive has from before is theirs
    **BY_KEY,
)

# Addresses that home took lately, renewed once a day at the most: users' own, and for a month unregistered ones.
taken = Table(
    "taken", metadata, Column("key", Text, primary_key=True), number("time"), Index("taken_old", "time"), **BY_KEY
)

# Addresses of users and aliases that an administrator has removed: `relay-check` does not bring them back.
removed_address = Table(
    "removed_address",
    metadata,
    Column("key", Text, primary_key=True),  # Address.key
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False, index=True),
    number("time"),
    **BY_KEY,
)

# The key that signs the mail of a domain's users.
dkim = Table(
    "dkim",
    metadata,
    Column("domain", BigInteger, ForeignKey("domain.id"), primary_key=True, autoincrement=False),
    string("selector", None),
    string("private_key", None),  # PEM
    number("created"),
    string("next_selector"),  # of the key that takes over once DNS has it; empty: none
    string("next_key"),
    **BY_KEY,
)

administrator = Table(
    "administrator",
    metadata,
    Column("name", Text, primary_key=True),
    string("password"),
    string("domain"),  # empty: all
    number("created"),
    number("password_id"),  # of the present password: what was proved by an earlier one ends
    **BY_KEY,
)

token = Table(
    "token",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    string("administrator", None),
    number("expires"),
    number("created"),
    number("id"),  # shown where tokens are listed; 0: made by a node of an earlier version
    string("domain"),  # the only one that it is good for; empty: as its administrator
    flag("read_only"),  # also of one with scopes, which servers of an earlier version do not know
    number("last_used"),  # to a minute or so
    string("scopes"),  # what it grants, with blanks between (control/grants.py); empty: see read_only
    Index("token_by_id", "id"),
    **BY_KEY,
)

# Failed logins of late, by client host and name (accounts/throttle.py): a digest, or nothing for all names together.
login_failure = Table(
    "login_failure",
    metadata,
    Column("host", Text, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    number("failures"),
    number("last"),
    Index("login_failure_by_time", "last"),
    **BY_KEY,
)

# Each change of a home server's state (accounts/home_history.py). A server of an earlier version, which does not know
# the table, can remove a domain.
home_change = Table(
    "home_change",
    metadata,
    key(),
    Column("domain", BigInteger, ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    number("time", None),  # when the state began
    string("state", None),  # up | down | recovering
    string("reason"),
    string("node"),  # which process noted it; empty: the only one
    number("left_out"),  # later changes that have no row, since there were too many in a day
    Index("home_change_of_domain", "domain", "id"),
)

# Secrets in links (accounts/links.py): by what somebody may do one thing without logging in.
link = Table(
    "link",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the secret, which is nowhere
    string("purpose", None),  # invitation | alert
    string("subject", None),  # whom it was made for, as its maker names them
    string("about"),  # what its maker wants to be told again
    number("created", None),
    number("expires", None),
    number("used"),  # last; 0: never
    number("ended"),  # when it was good no more before it expired: used up, replaced or not needed; 0: not
    Index("link_of_subject", "purpose", "subject", "created"),
    Index("link_about", "purpose", "about", "created"),
    Index("link_by_expiry", "expires"),
    **BY_KEY,
)
