"""Registering users, their aliases and passwords, and letting them go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.passwords import NO_PASSWORD, Kept
from mpcontinuity.accounts.users import Listed, User
from mpcontinuity.control.adoption import adopt
from mpcontinuity.control.arguments import own_address
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import erase, open_rows, refuse_owed, release
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS
from mpcontinuity.store.transaction import Transaction


async def add(
    control: Control,
    address: str,
    name: str = "",
    aliases: list[str] | None = None,
    password: str | None = None,
    inactive: bool = False,
) -> Any:
    """A registered user: active with a password, pending without one. Shows it."""
    theirs = own_address(address)
    others = [own_address(alias) for alias in aliases or ()]
    kept = await kept_of(control, password) if password is not None else NO_PASSWORD

    def work(tx: Transaction) -> Any:
        domain = domains.known(tx, theirs.domain)
        refuse_foreign(domain.name, others)
        user = users.add_user(
            tx,
            domain=domain.id,
            address=theirs,
            name=name,
            aliases=others,
            password_hash=kept.hash,
            scram=kept.scram,
            status="inactive" if inactive else None,
        )
        return row(users.listed(tx, user))

    added = await control.store.run(work)
    await adopt_all(control, theirs.domain, [theirs, *others])
    return added


async def list_(control: Control, domain: str | None = None) -> Any:
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    rows: list[Any] = []
    after = ""
    while step := await control.store.read(partial(users.listing, domain=wanted, after=after)):
        rows += map(row, step)
        after = step[-1].user.address
    return rows


async def show(control: Control, address: str) -> Any:
    def look(tx: Transaction) -> Any:
        user = known(tx, address)
        return {
            **row(users.listed(tx, user)),
            "continuity": "on" if user.opt_in else "off",
            **({"relay": "on"} if user.relay else {}),
        }

    return await control.store.read(look)


async def remove(control: Control, address: str, force: bool = False) -> Any:
    """With their mailboxes; the archive stays. Refused while mail is owed, unless forced."""

    def begin(tx: Transaction) -> User:
        user = known(tx, address)
        if not force:
            hint = Hint("user remove", "releases them", {"address": user.address, "force": True})
            refuse_owed(open_rows(tx, account=user.id), "their home server", user.address, hint)
        users.forget(tx, user.id, user.domain)
        return user

    user = await control.store.run(begin)
    await release(control, user.domain, account=user.id)
    await erase(control, user.id)
    return {"address": user.address, "removed": True}


async def activate(control: Control, address: str) -> Any:
    """Active again; pending as long as there is no password."""

    def work(tx: Transaction) -> None:
        users.activate(tx, known(tx, address))

    await control.store.run(work)
    return await show(control, address)


async def deactivate(control: Control, address: str) -> Any:
    """No longer registered: no login, no new mail into continuity. What is owed and stored stays."""

    def work(tx: Transaction) -> None:
        users.deactivate(tx, known(tx, address))

    await control.store.run(work)
    return await show(control, address)


async def password(control: Control, address: str, password: str) -> Any:
    kept = await kept_of(control, password)

    def work(tx: Transaction) -> None:
        users.set_password(tx, known(tx, address), kept.hash, kept.scram)

    await control.store.run(work)
    return await show(control, address)


async def alias_add(control: Control, address: str, alias: str) -> Any:
    other = own_address(alias)

    def work(tx: Transaction) -> None:
        user = known(tx, address)
        refuse_foreign(parse(user.address).domain, [other])
        users.add_alias(tx, user, other)

    await control.store.run(work)
    await adopt_all(control, other.domain, [other])
    return await show(control, address)


async def alias_remove(control: Control, address: str, alias: str) -> Any:
    other = own_address(alias)

    def work(tx: Transaction) -> None:
        users.remove_alias(tx, known(tx, address), other)

    await control.store.run(work)
    return await show(control, address)


async def continuity(control: Control, address: str, on: bool) -> Any:
    """The opt-in of mode `optional`."""

    def work(tx: Transaction) -> None:
        users.set_opt_in(tx, known(tx, address), on)

    await control.store.run(work)
    return await show(control, address)


async def relay(control: Control, address: str, on: bool) -> Any:
    """Whether the home server logs in as this user, to send the domain's own outbound mail."""

    def work(tx: Transaction) -> None:
        users.set_relay(tx, known(tx, address), on)

    await control.store.run(work)
    return {**await show(control, address), "relay": "on" if on else "off"}


def known(tx: Transaction, address: str) -> User:
    """The user with that very address or alias. Raises Refused."""
    parsed = own_address(address)
    user = users.find_exactly(tx, parsed)
    if user is None:
        raise Refused(f"{address}: no such user", "unknown", Hint("user list", "shows them", {"domain": parsed.domain}))
    return user


def row(listed: Listed) -> dict[str, Any]:
    """The contract's row of `user list`."""
    return {
        "address": listed.user.address,
        "name": listed.user.name,
        "status": listed.user.status,
        "aliases": listed.aliases,
        "source": listed.source,
        "messages": listed.messages,
    }


def refuse_foreign(domain: str, aliases: Sequence[Address]) -> None:
    """One user's mail is owed to one home server."""
    for alias in aliases:
        if alias.domain != domain:
            raise Refused(f"{alias}: an alias must be an address of {domain}, the user's own domain")


async def adopt_all(control: Control, domain: str, addresses: Sequence[Address]) -> None:
    """Mail owed to these addresses without a mailbox goes into INBOX now."""
    known = await control.store.read(partial(domains.known, name=domain))
    await adopt(control.store, known.id, {address.key for address in addresses})


async def kept_of(control: Control, password: str) -> Kept:
    """Raises Refused."""
    return await control.compute(partial(control.passwords.keep, password, control.randomness.bytes(SALT_OCTETS)))
