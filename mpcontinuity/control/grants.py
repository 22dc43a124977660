"""What a token lets its bearer do: its scopes, and which operations each of them grants.

How far an operation may reach is something else: that is the caller's `Scope`, which a scope of a token never widens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Grant = Literal[
    "read",
    "users",
    "mail",
    "domains",
    "admin",
]
EVERY: Final[tuple[Grant, ...]] = get_args(Grant)
ALL: Final[frozenset[str]] = frozenset(EVERY)

ABOUT: Final[Mapping[Grant, str]] = {
    "read": "whatever changes nothing, mail in the archive included",
    "users": "users, their addresses, passwords and invitations",
    "mail": "tracking, the archive and the queue",
    "domains": "domains, their outages, drills and alerts",
    "admin": "administrators, tokens, the audit trail and the server: in the end, everything",
}

# By the first word of an operation's name, which is its subject.
SUBJECTS: Final[Mapping[str, Grant]] = {
    "user": "users",
    "track": "mail",
    "archive": "mail",
    "queue": "mail",
    "domain": "domains",
    "contain": "domains",
    "drill": "domains",
    "alert": "domains",
    "webhook": "domains",
    "outage": "domains",
    "status": "domains",
    "report": "domains",
    "audit": "admin",
    "clock": "admin",
    "doctor": "admin",
    "check": "admin",
    "backup": "admin",
    "admin": "admin",
}


def grant_of(operation: str) -> Grant:
    """Returns the scope that grants an operation, whatever it does. Raises TypeError for one of an unknown subject."""
    subject = operation.partition(" ")[0]
    try:
        return SUBJECTS[subject]
    except KeyError:
        raise TypeError(f"{operation}: control/grants.py does not say which scope of a token grants it") from None
