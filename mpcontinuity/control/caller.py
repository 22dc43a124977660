"""Who calls an operation, and how far what they may do reaches."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from mpcontinuity.accounts.administrator_login import Administrator
from mpcontinuity.control import grants
from mpcontinuity.model.address import BadAddress, parse


class Scope(IntEnum):
    """How far a caller reaches, and how far one has to reach for an operation. A wider scope has the higher value."""

    SELF = 1  # a user's own account
    DOMAIN = 2  # one domain with its users and its mail
    ALL = 3  # every domain, and the machine


class Caller(msgspec.Struct, frozen=True):
    """Somebody who calls operations: an administrator, or a user who acts for themselves.

    ``name`` is how tracking and the log call them. ``domain`` is the only domain that they administer, in lower case;
    None means all domains. ``user`` is the address of a user who acts for themselves, in their domain ``domain``; None
    means an administrator. ``origin`` is how they came and what the system itself knows of them, as
    "control socket, uid 0 (root)". ``grants`` are the scopes of the token that they came by (control/grants.py).
    ``unproven`` is the IP address of an administrator who came by a session or a token: who changes by what they
    themselves log in has to prove the password again, and wrong ones are counted for that address. It is empty for who
    has just done so, and for who is on this machine.

    Raises ValueError for a user outside of their domain and for an empty domain, so that no caller reaches further than
    its maker meant.
    """

    name: str
    domain: str | None
    user: str | None
    origin: str
    grants: frozenset[str] = grants.ALL
    unproven: str = ""

    def __post_init__(self) -> None:
        if self.domain is not None and (not self.domain or self.domain != self.domain.lower()):
            raise ValueError(f"domain {self.domain!r}: must be a name in lower case, or None for all domains")
        if self.user is not None and _domain_of(self.user) != self.domain:
            raise ValueError(f"user {self.user!r}: must be an address of the domain {self.domain!r}")

    @property
    def scope(self) -> Scope:
        """How far this caller reaches."""
        if self.user is not None:
            return Scope.SELF
        return Scope.ALL if self.domain is None else Scope.DOMAIN


def _domain_of(user: str) -> str | None:
    try:
        return parse(user).domain
    except BadAddress:
        return ""


def of_administrator(administrator: Administrator, origin: str, unproven: str = "") -> Caller:
    """Returns the caller for an administrator who has logged in. ``origin`` and ``unproven`` are as in Caller."""
    granted = grants.ALL if administrator.scopes is None else administrator.scopes
    return Caller(administrator.name, administrator.domain or None, None, origin, granted, unproven)


THE_SERVER = Caller("an administrator", None, None, "inside the server")
