"""Who asks: an administrator by a bearer token (RFC 6750), or a user by their password (RFC 7617)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twisted.web import http

from mpcontinuity.accounts.administrator_login import Administrator, AdministratorLogin
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.admin.api.problems import TOO_MANY, Problem
from mpcontinuity.admin.api.rations import QUOTA, WINDOW, TokenRations
from mpcontinuity.control.caller import Caller, of_administrator
from mpcontinuity.model.address import parse
from mpcontinuity.web.asked import Asked

_BEARER: Final = b'Bearer realm="mpcontinuity"'
_BASIC: Final = b'Basic realm="mpcontinuity", charset="UTF-8"'
_LONGEST: Final = 2_000  # characters of what comes by Basic: a name, and a password of 1,024 at most


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever came by a token: as a caller of operations, as an administrator, and what answers say of their ration."""

    caller: Caller
    administrator: Administrator
    fields: Mapping[bytes, bytes]


class Callers:
    """Finds out who asks, in the reactor thread."""

    def __init__(self, administrators: AdministratorLogin, users: UserLogin, rations: TokenRations) -> None:
        self._administrators = administrators
        self._users = users
        self._rations = rations

    async def bearer(self, asked: Asked) -> Bearer:
        """Returns whose token came. Raises Problem without a good one, and for a token that has had its ration; raises
        Temporary where that cannot be told now."""
        scheme, token = _credentials(asked)
        if scheme != "bearer":
            raise _unauthorized("a bearer token is needed: Authorization: Bearer TOKEN", _BEARER)
        return await self._bearer(token, asked)

    async def anybody(self, asked: Asked) -> Caller:
        """Returns whose token, or whose address and password came. Raises as `bearer` does."""
        scheme, given = _credentials(asked)
        if scheme == "bearer":
            return (await self._bearer(given, asked)).caller
        name, password = _basic(given) if scheme == "basic" else ("", "")
        user = await self._users.check(name, password, asked.peer) if name else None
        if user is None:
            said = "wrong address or password" if name else "address and password, or a bearer token, are needed"
            raise _unauthorized(said, _BASIC, _BEARER)
        return Caller(user.address, parse(user.address).domain, user.address, f"API, {asked.peer}")

    async def _bearer(self, token: str, asked: Asked) -> Bearer:
        administrator = await self._administrators.by_token(token, asked.peer)
        if administrator is None:
            raise _unauthorized("the token is wrong, or good no more", _BEARER + b', error="invalid_token"')
        taken, fields = self._rations.spend(administrator.token, asked.left)
        if not taken:
            raise Problem(TOO_MANY, f"a token has {QUOTA} requests in {WINDOW} s", fields=fields)
        caller = of_administrator(administrator, f"API, {asked.peer}", asked.peer)
        return Bearer(caller, administrator, fields)


def _credentials(asked: Asked) -> tuple[str, str]:
    scheme, _, given = asked.header("authorization").partition(" ")
    return scheme.lower(), given.strip()


def _basic(given: str) -> tuple[str, str]:
    """The name and the password, both empty for what is not of the form."""
    if len(given) > _LONGEST * 2:
        return "", ""
    try:
        text = b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    name, colon, password = text.partition(":")
    return (name, password) if colon and len(text) <= _LONGEST else ("", "")


def _unauthorized(detail: str, *challenges: bytes) -> Problem:
    return Problem(http.UNAUTHORIZED, detail, fields={b"www-authenticate": b", ".join(challenges)})
