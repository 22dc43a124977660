"""Administrators of portal and API, and their tokens."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

from mpcontinuity.accounts import administrators, domains, tokens
from mpcontinuity.control.arguments import moment
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction

FIRST = "admin"


async def add(control: Control, name: str, password: str, domain: str | None = None) -> Any:
    if not administrators.NAME.fullmatch(name):
        raise Refused(f'"{name}": a name has 1 to 64 letters, digits and . _ @ + -')
    hashed = await control.compute(partial(control.passwords.hash, password))

    def work(tx: Transaction) -> Any:
        only = domains.known(tx, domain).name if domain is not None else ""
        administrators.add(tx, name, hashed, only)
        return {"name": name, "domain": only or None}

    return await control.store.run(work)


async def first(control: Control) -> str | None:
    """Adds the first administrator; their password, which is shown once. None where there is one already."""
    if not await control.store.read(administrators.none_yet):
        return None
    password = _secret(control, 15)
    await add(control, FIRST, password)
    return password


async def list_(control: Control) -> Any:
    rows = await control.store.read(administrators.listing)
    return [{"name": name, "domain": domain or None, "created": iso(created)} for name, domain, created in rows]


async def remove(control: Control, name: str) -> Any:
    await control.store.run(partial(administrators.remove, name=name))
    return {"name": name, "removed": True}


async def password(control: Control, name: str, password: str) -> Any:
    hashed = await control.compute(partial(control.passwords.hash, password))
    await control.store.run(partial(administrators.set_password, name=name, password_hash=hashed))
    return {"name": name}


async def token(control: Control, name: str, expires: str | None = None) -> Any:
    """A bearer token for the API; it cannot be shown again."""
    now = control.store.clock.now()
    until = moment(expires, now, ahead=True) if expires is not None else 0
    if until and until <= now:
        raise Refused(f'expires: "{expires}": is in the past')
    fresh = _secret(control, 30)
    await control.store.run(partial(tokens.add, name=name, token=fresh, expires=until))
    return {"name": name, "token": fresh, "expires": iso(until) if until else None}


def _secret(control: Control, count: int) -> str:
    """Of ``count`` random bytes, in letters and digits that can be read out."""
    return base64.b32encode(control.randomness.bytes(count)).decode().lower()
