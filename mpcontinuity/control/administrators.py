"""Operations on administrators of portal and API; those on their tokens are in control/tokens.py."""

from __future__ import annotations

import base64
from functools import partial

import msgspec

from mpcontinuity.accounts import administrators, domains, second_factor
from mpcontinuity.control.arguments import PAGE, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.control.signing_in import prove
from mpcontinuity.control.users import SHORTEST_CHOSEN
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction

FIRST = "admin"


class AdministratorAdded(msgspec.Struct, frozen=True):
    """A new administrator; ``domain`` is the only one that they administer, None means all."""

    name: str
    domain: str | None


class AdministratorRow(msgspec.Struct, frozen=True):
    """A row of `admin list`; ``domain`` as in AdministratorAdded, ``created`` as ISO 8601, ``totp``: they have a second
    factor."""

    name: str
    domain: str | None
    created: str
    totp: bool


class AdministratorChanged(msgspec.Struct, frozen=True):
    """The administrator whose password was set."""

    name: str


class AdministratorRemoved(msgspec.Struct, frozen=True):
    """The administrator who was removed."""

    name: str
    removed: bool = True


async def add(control: Control, name: str, password: str, domain: str | None = None) -> AdministratorAdded:
    """Adds an administrator, of all domains where none is given. Raises Refused for a name that is taken or will not
    do, and for a domain that is not here."""
    if not administrators.NAME.fullmatch(name):
        raise Refused(f'"{name}": a name has 1 to 64 letters, digits and . _ @ + -')
    hashed = await control.compute(partial(control.passwords.hash, password))
    return await control.store.run(partial(_add, name=name, password_hash=hashed, domain=domain))


def _add(tx: Transaction, name: str, password_hash: str, domain: str | None) -> AdministratorAdded:
    only = domains.known(tx, domain).name if domain is not None else ""
    administrators.add(tx, name, password_hash, only)
    return AdministratorAdded(name, only or None)


async def first(control: Control) -> str | None:
    """Adds the first administrator and gives their password, which is shown once; None where there is one already."""
    if not await control.store.read(administrators.none_yet):
        return None
    password = secret(control, 15)
    await add(control, FIRST, password)
    return password


async def list_(control: Control, after: str = "", limit: int = PAGE) -> list[AdministratorRow]:
    """Lists up to ``limit`` administrators by name, those after the name ``after``. Raises Refused for a limit out of
    bounds, and for what is no name."""
    if after and not administrators.NAME.fullmatch(after):
        raise Refused(f'after: "{after}": not a name of an administrator')
    return await control.store.read(partial(_list, after=after, limit=rows_of_page(limit)))


def _list(tx: Transaction, after: str, limit: int) -> list[AdministratorRow]:
    second = second_factor.holders(tx)
    rows = administrators.listing(tx, after, limit)
    return [AdministratorRow(name, domain or None, iso(created), name in second) for name, domain, created in rows]


async def remove(control: Control, name: str) -> AdministratorRemoved:
    """Removes an administrator with their tokens and sessions. Raises Refused for the last one of all domains, and if
    unknown."""
    await control.store.run(partial(administrators.remove, name=name))
    return AdministratorRemoved(name)


async def password(control: Control, name: str, password: str, old: str | None = None) -> AdministratorChanged:
    """Sets an administrator's password; all their sessions end.

    ``old`` is the present one, which is asked of those who change their own by the web, and so is a length of
    `SHORTEST_CHOSEN`. Raises Refused if they are unknown, if the password will not do, or if the old one is wrong.
    """
    await prove(control, name, old, "old")
    if control.caller.unproven and control.caller.name == name and len(password) < SHORTEST_CHOSEN:
        raise Refused(f"the password is too short; take at least {SHORTEST_CHOSEN} characters", field="password")
    hashed = await control.compute(partial(control.passwords.hash, password))
    await control.store.run(partial(administrators.set_password, name=name, password_hash=hashed))
    return AdministratorChanged(name)


def secret(control: Control, count: int) -> str:
    """Returns ``count`` random octets, in letters and digits that can be read out."""
    return base64.b32encode(control.randomness.bytes(count)).decode().lower()
