"""The operation ``user import``: users by lines of a file (user_file.py), with an account of what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.passwords import NO_PASSWORD, Kept
from mpcontinuity.control.arguments import own_address
from mpcontinuity.control.operation import Control, reason
from mpcontinuity.control.users import adopt_all, alternate_address, kept_of, refuse_foreign
from mpcontinuity.model.address import Address, domain_key
from mpcontinuity.model.errors import Refused, Reported, Temporary
from mpcontinuity.store.transaction import Transaction

_ANY_PASSWORD = Kept("tried", "")  # of a preview, which hashes none
COLUMNS = ("address", "name", "aliases", "password", "alternate")


class ImportLine(msgspec.Struct, frozen=True):
    """A line of the file; an empty ``error`` where it could be read. ``aliases`` are separated by semicolons."""

    number: int
    address: str = ""
    name: str = ""
    aliases: tuple[str, ...] = ()
    password: str = ""
    alternate: str = ""
    error: str = ""


class ImportDone(msgspec.Struct, frozen=True):
    """What became of a line of the file; ``text`` says what was changed, or why it was refused."""

    line: int
    address: str
    result: Literal["added", "updated", "unchanged", "refused"]
    text: str = ""


class _Previewed(Reported):
    """Undoes the transaction in which a line was tried. It is made of what came of it: see `ImportDone`."""

    ARGUMENTS = tuple[int, str, str, str]


async def take(
    control: Control, lines: list[ImportLine], domain: str | None = None, preview: bool = False
) -> list[ImportDone]:
    """Registers who is new and brings those who are known up to date: name, aliases, password and alternate address
    that are given.

    With a ``domain`` a line with an address of another one is refused. With ``preview`` nothing is changed: each line
    is tried by itself, and says what it would do.
    """
    done = [await _take(control, line, domain, preview) for line in lines]
    if preview:
        return done
    new: dict[str, list[Address]] = {}
    for line, outcome in zip(lines, done, strict=True):
        if outcome.result in ("added", "updated"):
            for text in (line.address, *line.aliases):
                address = own_address(text)
                new.setdefault(address.domain, []).append(address)
    for name, addresses in new.items():
        await adopt_all(control, name, addresses)
    return done


async def _take(control: Control, line: ImportLine, domain: str | None, preview: bool) -> ImportDone:
    try:
        if line.error:
            raise Refused(line.error)
        return await _register(control, line, domain, preview)
    except _Previewed as tried:
        return msgspec.convert(dict(zip(ImportDone.__struct_fields__, tried.args, strict=True)), ImportDone)
    except (Refused, Temporary) as error:  # those before are told, and their mail is put into INBOX, in any case
        return ImportDone(line.number, line.address, "refused", reason(error))


async def _register(control: Control, line: ImportLine, only: str | None, preview: bool) -> ImportDone:
    address = own_address(line.address)
    if only is not None and address.domain != domain_key(only):
        raise Refused(f"{address}: is not in {only}", "forbidden")
    aliases = [own_address(alias) for alias in line.aliases]
    refuse_foreign(address.domain, aliases)
    if preview:
        kept = _ANY_PASSWORD if line.password else NO_PASSWORD
    else:
        kept = await kept_of(control, address, line.password) if line.password else NO_PASSWORD
    work = _tried if preview else _bring_up_to_date
    return await control.store.run(partial(work, line=line, address=address, aliases=aliases, kept=kept))


def _tried(tx: Transaction, line: ImportLine, address: Address, aliases: list[Address], kept: Kept) -> ImportDone:
    done = _bring_up_to_date(tx, line, address, aliases, kept)
    raise _Previewed(*msgspec.structs.astuple(done))


def _bring_up_to_date(
    tx: Transaction, line: ImportLine, address: Address, aliases: list[Address], kept: Kept
) -> ImportDone:
    domain = domains.known(tx, address.domain)
    user = users.find_exactly(tx, address)
    if user is not None:
        changed = _update(tx, user, line, aliases, kept)
        return ImportDone(line.number, line.address, "updated" if changed else "unchanged", ", ".join(changed))
    user = users.add_user(
        tx,
        domain=domain.id,
        address=address,
        name=line.name,
        aliases=aliases,
        password_hash=kept.hash,
        scram=kept.scram,
        source="import",
        alternate=alternate_address(line.alternate),
    )
    return ImportDone(line.number, line.address, "added", user.status)


def _update(tx: Transaction, user: users.User, line: ImportLine, aliases: Sequence[Address], kept: Kept) -> list[str]:
    """What was changed."""
    changed = []
    if line.name and line.name != user.name:
        users.set_name(tx, user, line.name)
        changed.append("name")
    have = users.listed(tx, user)
    for alias in aliases:
        if alias.key not in have.aliases:
            users.add_alias(tx, user, alias)
            changed.append(f"alias {alias}")
    alternate = alternate_address(line.alternate)
    if alternate and alternate != have.alternate:
        users.set_alternate(tx, user, alternate)
        changed.append("alternate")
    if kept.hash:
        users.set_password(tx, user, kept.hash, kept.scram)
        changed.append("password")
    return changed
