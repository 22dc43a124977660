"""Operations on bearer tokens, by which programs use the API in the name of an administrator."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains, tokens
from mpcontinuity.control.administrators import secret
from mpcontinuity.control.arguments import moment
from mpcontinuity.control.grants import ALL, EVERY, Grant
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.transaction import Transaction

_OCTETS = 30  # of randomness in a token: 48 letters and digits


class TokenMade(msgspec.Struct, frozen=True):
    """A new token, which nobody can be shown again. ``expires`` is ISO 8601, and None means never.

    ``domain`` is the only one that it is good for; None means as far as its administrator reaches. ``scopes`` are what
    it grants; ``read_only`` says that it is for looking and no more.
    """

    name: str
    token: str
    expires: str | None
    id: str
    domain: str | None
    read_only: bool
    scopes: list[str]


class TokenRow(msgspec.Struct, frozen=True):
    """A token as its administrator sees it afterwards. Times are ISO 8601, ``last_used`` to a minute; None means never.

    ``expired`` says that it lets nobody in any more; ``domain``, ``read_only`` and ``scopes`` are as in TokenMade.
    """

    id: str
    created: str
    expires: str | None
    expired: bool
    domain: str | None
    read_only: bool
    scopes: list[str]
    last_used: str | None


class TokenRemoved(msgspec.Struct, frozen=True):
    """The token that was removed, and whose it was."""

    name: str
    id: str
    removed: bool = True


async def make(
    control: Control,
    name: str,
    expires: str | None = None,
    domain: str | None = None,
    read_only: bool = False,
    scopes: list[Grant] | None = None,
) -> TokenMade:
    """Makes a token of the administrator ``name``.

    ``expires`` is a time or a duration from now; without it, it does not expire. ``domain`` is the only one that the
    token is to be good for. ``scopes`` are what it is to grant (control/grants.py), and ``read_only`` is the scope
    ``read``; without either it grants all that the administrator may. Raises Refused if the administrator or the domain
    is unknown, if they do not administer it, if the time is past, and for an empty list of scopes.
    """
    now = control.store.clock.now()
    until = moment(expires, now, ahead=True) if expires is not None else 0
    if expires is not None and until <= now:
        raise Refused(f'expires: "{expires}": is in the past')
    if scopes == []:
        raise Refused(f"scopes: a token without any would be good for nothing; there are {', '.join(EVERY)}")
    granted: frozenset[str] = frozenset([*(scopes or ()), *(["read"] if read_only else [])])
    fresh = secret(control, _OCTETS)
    work = partial(_make, name=name, token=fresh, expires=until, domain=domain, scopes=granted)
    id_, only = await control.store.run(work)
    shown = _shown(granted or None)
    return TokenMade(name, fresh, _time(until), identifier.show(id_), only or None, shown == ["read"], shown)


def _make(
    tx: Transaction, name: str, token: str, expires: int, domain: str | None, scopes: frozenset[str]
) -> tuple[int, str]:
    only = domains.known(tx, domain).name if domain is not None else ""
    return tokens.add(tx, name, token, expires=expires, domain=only, scopes=scopes), only


def _shown(scopes: frozenset[str] | None) -> list[str]:
    return [each for each in EVERY if each in (ALL if scopes is None else scopes)]


async def list_(control: Control, name: str) -> list[TokenRow]:
    """Lists the tokens of the administrator ``name``, oldest first, expired ones too. Raises Refused if unknown."""
    now = control.store.clock.now()
    return [
        TokenRow(
            id=identifier.show(token.id),
            created=iso(token.created),
            expires=_time(token.expires),
            expired=0 < token.expires <= now,
            domain=token.domain or None,
            read_only=token.scopes == frozenset({"read"}),
            scopes=_shown(token.scopes),
            last_used=_time(token.last_used),
        )
        for token in await control.store.read(partial(tokens.listing, name=name))
    ]


async def remove(control: Control, name: str, id: str) -> TokenRemoved:
    """Removes a token of the administrator ``name``; the next request that brings it is refused.

    Raises Refused for an unknown administrator, and for an id that is none of their tokens'.
    """
    try:
        token = identifier.parse(id)
    except ValueError:  # it may be the token itself, which is not repeated
        hint = Hint("admin token", "shows theirs", {"name": name, "list": True})
        raise Refused("id: is not the id of a token", "invalid", hint) from None
    await control.store.run(partial(tokens.remove, name=name, token=token))
    return TokenRemoved(name, identifier.show(token))


def _time(time: int) -> str | None:
    return iso(time) if time else None
