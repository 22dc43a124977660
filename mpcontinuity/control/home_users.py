"""Operations on users whose home server does not serve them, though it may take mail: said, and what helps then."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains, home_users, users
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import iso
from mpcontinuity.store.transaction import Transaction

_STEP = 500  # users of one transaction


class UsersOutRow(msgspec.Struct, frozen=True):
    """Whether home's users count as out. ``found`` is since when the probe of `home-users` finds so, and ``reason``
    what it found; ``said`` is since when somebody says so, ``by`` is who, and ``note`` why. Times are in ISO 8601, and
    None where it is not so. ``hint`` is the command that gives every user a copy of their mail here."""

    domain: str
    out: bool
    found: str | None
    reason: str
    said: str | None
    by: str
    note: str
    hint: str


class OptedIn(msgspec.Struct, frozen=True):
    """How many users of a domain were opted in to continuity, or out of it, and its mode now."""

    domain: str
    on: bool
    changed: int
    mode: str


async def users_out(control: Control, name: str, on: bool, note: str = "") -> UsersOutRow:
    """Says that the users of the domain's home server cannot use it, or (``on`` false) that they can again.

    It redirects no mail: it is shown, and subscribers hear of it. What a probe finds stands beside it. Raises Refused
    for a domain that is not here, and for a note that is no short line.
    """
    return await control.store.run(partial(_say, name=name, on=on, by=control.caller.name, note=note))


def _say(tx: Transaction, name: str, on: bool, by: str, note: str) -> UsersOutRow:
    domain = domains.known(tx, name)
    known = home_users.say(tx, domain.id, on, by, note)
    return UsersOutRow(
        domain=domain.name,
        out=bool(known.out),
        found=iso(known.found) if known.found else None,
        reason=known.reason,
        said=iso(known.said) if known.said else None,
        by=known.by,
        note=known.note,
        hint=hint(domain.name) if known.out else "",
    )


def hint(domain: str) -> str:
    """Returns the command that gives every user of the domain a copy of their mail here."""
    return f"mpcontinuity user continuity --domain {domain} --all on"


async def continuity_of_all(control: Control, name: str, on: bool) -> OptedIn:
    """Opts all users of the domain in to continuity, or out of it.

    With ``on`` the mode `disabled` becomes `optional`: home still gets all mail, and each user finds a copy of it here,
    which is owed to nobody. Switched off, the mode stays as it is. Raises Refused for a domain that is not here.
    """
    domain = await control.store.read(partial(domains.known, name=name))
    changed = 0
    while step := await control.store.run(partial(users.opt_in_step, domain=domain.id, on=on, step=_STEP), bulk=True):
        changed += step
    mode = await control.store.run(partial(_mode, name=name, on=on, by=control.caller.name))
    return OptedIn(domain.name, on, changed, mode)


def _mode(tx: Transaction, name: str, on: bool, by: str) -> str:
    domain = domains.known(tx, name)
    if on and domain.settings.mode == "disabled":
        domains.change(tx, domain, msgspec.structs.replace(domain.settings, mode="optional", mode_until=0))
        domains.note_mode(tx, domain, by)
        return "optional"
    return domain.settings.mode
