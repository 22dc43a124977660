"""Rows of the table ``token``: bearer tokens by which programs come in the name of an administrator.

All functions are work for one transaction. Only the digest of a token is kept: who reads the table cannot use it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple

from mpcontinuity.accounts import administrators
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# How exactly the last use of a token is known: a request costs no write of its own.
USE_NOTED_EVERY = MINUTE

_ADD = Statement(
    "INSERT INTO token (digest, id, administrator, domain, read_only, scopes, expires, created) "
    "VALUES (:digest, :id, :name, :domain, :read_only, :scopes, :expires, :now)"
)
_LISTING = Statement(
    "SELECT id, created, expires, domain, scopes, read_only, last_used FROM token WHERE administrator = :name "
    "ORDER BY created, id"
)
_REMOVE = Statement("DELETE FROM token WHERE id = :id AND administrator = :name")
_FOUND = (
    "SELECT token.id, token.administrator, administrator.domain, token.domain, token.scopes, token.read_only, "
    "token.expires, token.last_used FROM token JOIN administrator ON administrator.name = token.administrator WHERE "
)
_BY_DIGEST = Statement(f"{_FOUND} token.digest = :digest")
_BY_ID = Statement(f"{_FOUND} token.id = :id AND token.administrator = :name")
_NOTE_USE = Statement("UPDATE token SET last_used = :now WHERE id = :id AND (last_used <= :before OR last_used > :now)")


class Token(NamedTuple):
    """One token as its administrator sees it. Times are in µs.

    ``expires`` is 0 for one that does not; ``domain`` is empty for one that reaches as far as its administrator;
    ``scopes`` is as in `Bearer`; ``last_used`` is exact to `USE_NOTED_EVERY`, and 0 for one that was never used.
    """

    id: int
    created: int
    expires: int
    domain: str
    scopes: frozenset[str] | None
    last_used: int


class Bearer(NamedTuple):
    """What there is to know of a token that a client has sent. Times are in µs, ``expires`` 0 means never.

    ``own_domain`` is the domain of its administrator, ``domain`` the one that the token is good for; empty: all.
    ``scopes`` are words for what it grants, which control/grants.py knows; None: all that its administrator may.
    """

    id: int
    administrator: str
    own_domain: str
    domain: str
    scopes: frozenset[str] | None
    expires: int
    last_used: int


def digest_of(token: str) -> bytes:
    """Returns what is kept of a token: SHA-256, 32 octets. Tokens are long and random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def add(
    tx: Transaction, name: str, token: str, *, expires: int = 0, domain: str = "", scopes: Collection[str] = ()
) -> int:
    """Keeps the digest of a new ``token`` of the administrator ``name`` and returns the token's id.

    ``expires`` is in µs, 0 means never. ``domain``, the name of one that is known here, is the only one that the token
    is good for. ``scopes`` are as in `Bearer`; none: all that its administrator may. Raises Refused for an unknown
    administrator, and for a domain that they do not administer themselves.
    """
    own = administrators.credentials(tx, name)
    if own is None:
        administrators.refuse_unknown(tx, name)
    elif own.domain and domain not in ("", own.domain):
        raise Refused(f"{name}: is administrator of {own.domain} only; a token cannot reach further", "forbidden")
    fresh = tx.identifier()
    tx.run(
        _ADD,
        digest=digest_of(token),
        id=fresh,
        name=name,
        domain=domain,
        read_only=int(bool(scopes)),  # all that a server of an earlier version understands: less, never more
        scopes=" ".join(sorted(scopes)),
        expires=expires,
        now=tx.now,
    )
    return fresh


def listing(tx: Transaction, name: str) -> list[Token]:
    """Returns the tokens of the administrator ``name``, oldest first, expired ones too. Raises Refused if unknown."""
    administrators.refuse_unknown(tx, name)
    return [
        Token(id_, created, expires, domain, _scopes(scopes, read_only), last_used)
        for id_, created, expires, domain, scopes, read_only, last_used in tx.all(_LISTING, name=name)
    ]


def remove(tx: Transaction, name: str, token: int) -> None:
    """Ends a token of the administrator ``name`` by its id. Raises Refused where there is none."""
    administrators.refuse_unknown(tx, name)
    if not tx.run(_REMOVE, id=token, name=name):
        shown = identifier.show(token)
        raise Refused(
            f"{shown}: is no token of {name}",
            "unknown",
            Hint("admin token", "shows theirs", {"name": name, "list": True}),
        )


def find(tx: Transaction, digest: bytes) -> Bearer | None:
    """Returns the token with that digest, expired or not; None where there is none."""
    return _bearer(tx.one(_BY_DIGEST, digest=digest))


def find_by_id(tx: Transaction, name: str, token: int) -> Bearer | None:
    """Returns a token of the administrator ``name`` by its id, expired or not; None where there is none."""
    return _bearer(tx.one(_BY_ID, name=name, id=token))


def note_use(tx: Transaction, token: int, now: int) -> None:
    """Notes that the token with that id was used ``now`` (µs), unless another process has noted it within a minute."""
    tx.run(_NOTE_USE, id=token, now=now, before=now - USE_NOTED_EVERY)


def _bearer(row: tuple[int, str, str, str, str, int, int, int] | None) -> Bearer | None:
    if row is None:
        return None
    id_, administrator, own_domain, domain, scopes, read_only, expires, last_used = row
    return Bearer(id_, administrator, own_domain, domain, _scopes(scopes, read_only), expires, last_used)


def _scopes(scopes: str, read_only: int) -> frozenset[str] | None:
    """One that a server of an earlier version made has none, and may be for looking only."""
    return frozenset(scopes.split()) if scopes else frozenset({"read"}) if read_only else None
