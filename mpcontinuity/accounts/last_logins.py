"""Which users of a domain have logged in since a time, counted by what they used. Work for one transaction.

The last login of a user is all that is remembered of them (accounts/logins.py), so it is by that.
"""

from __future__ import annotations

from typing import NamedTuple

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_BY_DOOR = Statement(
    """SELECT last_login_by, COUNT(*) FROM account
    WHERE domain = :domain AND last_login >= :since AND status IN ('active', 'pending')
    GROUP BY last_login_by ORDER BY last_login_by"""
)
_FIRST = Statement(
    """SELECT MIN(last_login) FROM account
    WHERE domain = :domain AND last_login >= :since AND status IN ('active', 'pending')"""
)


class DoorLogins(NamedTuple):
    """How many users have logged in last by a door ("IMAP", "POP3", "SMTP" …)."""

    door: str
    users: int


def by_door(tx: Transaction, domain: int, since: int) -> list[DoorLogins]:
    """Returns how many users of a domain have logged in at ``since`` (µs) or later, by the door that they used last."""
    return tx.records(DoorLogins, _BY_DOOR, domain=domain, since=since)


def first(tx: Transaction, domain: int, since: int) -> int:
    """Returns the earliest of the last logins of a domain's users that were at ``since`` (µs) or later; 0: none was."""
    return int(tx.value(_FIRST, domain=domain, since=since) or 0)
