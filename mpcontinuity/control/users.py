"""Operations on users: registering them, their aliases and passwords, letting them go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from mpcontinuity.accounts import app_passwords, domains, invitations, users
from mpcontinuity.accounts.passwords import NO_PASSWORD, Kept
from mpcontinuity.accounts.users import LONGEST_NAME, Listed, Source, Status, User
from mpcontinuity.control.adoption import adopt
from mpcontinuity.control.arguments import PAGE, mail_address, own_address, rows_of_page
from mpcontinuity.control.merging import merge
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import erase, refuse_owed, release
from mpcontinuity.control.versions import refuse_changed, version_of
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.texts import said
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS
from mpcontinuity.queue.removal import open_rows
from mpcontinuity.store.transaction import Transaction

Switch = Literal["on", "off"]

# Characters of a password that a user chooses by an invitation, as NIST SP 800-63B has it. What administrators set is
# theirs to judge.
SHORTEST_CHOSEN: Final = 8


class UserRow(msgspec.Struct, frozen=True):
    """A row of `user list`; ``messages`` counts those in all their mailboxes. ``alternate`` is where they read mail
    while their own domain is away; empty where that is not known."""

    address: str
    name: str
    status: Status
    aliases: list[str]
    source: Source
    messages: int
    alternate: str


class UserShown(UserRow, frozen=True):
    """A user as `user show` gives them: ``continuity`` is their opt-in of mode `optional`, and ``relay`` says that the
    home server logs in as them; it is left out for all others, unless it was just changed. ``last_login`` is ISO 8601,
    to a minute or so, by the protocol ``last_login_by``; None where they have never logged in. ``version`` is another
    text whenever something of them was changed: who gives it with a change is refused where somebody else has done so
    meanwhile."""

    last_login: str | None
    last_login_by: str
    continuity: Switch
    version: str
    relay: Switch | UnsetType = UNSET


class UserRemoved(msgspec.Struct, frozen=True):
    """The user who was removed, by their own address."""

    address: str
    removed: bool = True


async def add(
    control: Control,
    address: str,
    name: str = "",
    aliases: list[str] | None = None,
    password: str | None = None,
    inactive: bool = False,
    alternate: str = "",
) -> UserRow:
    """Adds a registered user, active with a password and pending without one, and shows them.

    ``alternate`` is an address outside of their domain, where they read mail while that is away. Raises Refused for
    addresses or a password that will not do, for a domain that is not here, for aliases of another domain, and for an
    address that is taken.
    """
    theirs = own_address(address)
    others = [own_address(alias) for alias in aliases or ()]
    kept = await kept_of(control, theirs, password) if password is not None else NO_PASSWORD
    elsewhere = alternate_address(alternate)
    add_ = partial(_add, address=theirs, name=name, aliases=others, kept=kept, inactive=inactive, alternate=elsewhere)
    added = await control.store.run(add_)
    await adopt_all(control, theirs.domain, [theirs, *others])
    return added


def _add(
    tx: Transaction,
    address: Address,
    name: str,
    aliases: list[Address],
    kept: Kept,
    inactive: bool,
    alternate: str,
) -> UserRow:
    domain = domains.known(tx, address.domain)
    refuse_foreign(domain.name, aliases)
    user = users.add_user(
        tx,
        domain=domain.id,
        address=address,
        name=name,
        aliases=aliases,
        password_hash=kept.hash,
        scram=kept.scram,
        status="inactive" if inactive else None,
        alternate=alternate,
    )
    return _row(users.listed(tx, user))


async def list_(
    control: Control,
    domain: str | None = None,
    never: bool = False,
    after: str = "",
    limit: int = PAGE,
    search: str = "",
) -> list[UserRow]:
    """Lists up to ``limit`` users by address, those after the address ``after``, of all domains or of one.

    ``never``: only those who have never logged in, without those who are inactive and could not. ``search`` has to be a
    part of their address or name. Raises Refused for a
    domain that is not here, for a limit out of bounds, and for an ``after`` that is no address.
    """
    if after:
        mail_address(after)
    if "\0" in search or len(search) > LONGEST_NAME:
        raise Refused(f"search: must have up to {LONGEST_NAME} characters, and no NUL")
    page = partial(_list, domain=domain, never=never, after=after, limit=rows_of_page(limit), search=search)
    return await control.store.read(page)


def _list(tx: Transaction, domain: str | None, never: bool, after: str, limit: int, search: str) -> list[UserRow]:
    wanted = domains.known(tx, domain).id if domain is not None else 0
    found = users.listing(tx, domain=wanted, after=after, step=limit, never=never, search=search)
    return [_row(listed) for listed in found]


async def show(control: Control, address: str) -> UserShown:
    """Shows a user, by their own address or an alias. Raises Refused if there is none."""
    return await control.store.read(partial(_show, address=address))


def _show(tx: Transaction, address: str) -> UserShown:
    user = known(tx, address)
    listed = users.listed(tx, user)
    return UserShown(
        **msgspec.structs.asdict(_row(listed)),
        last_login=iso(listed.last_login) if listed.last_login else None,
        last_login_by=listed.last_login_by,
        continuity="on" if user.opt_in else "off",
        version=_version(listed),
        relay="on" if user.relay else UNSET,
    )


def _version(listed: Listed) -> str:
    user = listed.user
    return version_of([user.address, user.name, user.status, listed.aliases, listed.alternate, user.opt_in, user.relay])


async def set_(
    control: Control, address: str, name: str | None = None, alternate: str | None = None, version: str = ""
) -> UserShown:
    """Changes a user's name, and the alternate address where they read mail while their domain is away: what is None
    stays, and empty text takes away what there is. An open invitation ends with another alternate address.

    ``version`` is the one that was shown to whoever changes it; empty: whatever it is. Raises Refused if there is no
    such user, if nothing is to be changed, for values that will not do, and where the version is another by now.
    """
    if name is None and alternate is None:
        raise Refused("nothing is to be changed; give a name, or an alternate address")
    elsewhere = alternate_address(alternate) if alternate is not None else None
    await control.store.run(partial(_set, address=address, name=name, alternate=elsewhere, version=version))
    return await show(control, address)


def _set(tx: Transaction, address: str, name: str | None, alternate: str | None, version: str) -> None:
    user = known(tx, address)
    refuse_changed(user.address, version, _version(users.listed(tx, user)))
    if name is not None:
        users.set_name(tx, user, name)
    if alternate is not None:
        users.set_alternate(tx, user, alternate)


async def remove(control: Control, address: str, force: bool = False) -> UserRemoved:
    """Removes a user with their mailboxes; the archive stays.

    Raises Refused if there is none, and while mail of theirs is owed to their home, unless ``force`` releases that.
    """
    user = await control.store.run(partial(_begin_removal, address=address, force=force))
    await release(control, user.domain, account=user.id)
    await erase(control, user.id)
    return UserRemoved(user.address)


def _begin_removal(tx: Transaction, address: str, force: bool) -> User:
    user = known(tx, address)
    if not force:
        hint = Hint("user remove", "releases them", {"address": user.address, "force": True})
        refuse_owed(open_rows(tx, account=user.id), "their home server", user.address, hint)
    users.forget(tx, user.id, user.domain)
    return user


async def activate(control: Control, address: str) -> UserShown:
    """Makes a user active again, or pending as long as there is no password. Raises Refused if there is none."""
    await control.store.run(partial(_activate, address=address))
    return await show(control, address)


def _activate(tx: Transaction, address: str) -> None:
    users.activate(tx, known(tx, address))


async def deactivate(control: Control, address: str) -> UserShown:
    """Makes a user inactive: no login, no new mail into continuity. What is owed and stored stays. Raises Refused if
    there is none."""
    await control.store.run(partial(_deactivate, address=address))
    return await show(control, address)


def _deactivate(tx: Transaction, address: str) -> None:
    users.deactivate(tx, known(tx, address))


async def password(control: Control, address: str, password: str, token: str | None = None) -> UserShown:
    """Sets a user's password; one who was pending is active then, and their invitation ends.

    ``token`` is the secret of that invitation, for whoever does it in the user's place: it is used up. Raises Refused
    if there is no such user, if the password will not do, and for an invitation that is not theirs or good no more;
    nothing is changed then.
    """
    if token is not None and len(password) < SHORTEST_CHOSEN:
        raise Refused(
            said("the password is too short; take at least %(least)d characters", least=SHORTEST_CHOSEN),
            field="password",
        )
    kept = await kept_of(control, own_address(address), password)
    await control.store.run(partial(_set_password, address=address, kept=kept, token=token))
    return await show(control, address)


def _set_password(tx: Transaction, address: str, kept: Kept, token: str | None) -> None:
    user = known(tx, address)
    if token is not None:
        invitations.redeem(tx, token, user)
    users.set_password(tx, user, kept.hash, kept.scram)


async def alias_add(control: Control, address: str, alias: str) -> UserShown:
    """Lets another address reach a user.

    Where it is that of a user who waits for a password, those two become one: the mail of the latter is moved into
    INBOX. Raises Refused if there is no such user, and for an alias that will not do, is taken, or is of another
    domain.
    """
    other = own_address(alias)
    absorbed = await control.store.run(partial(_add_alias, address=address, alias=other))
    if absorbed:
        await merge(control, absorbed)
    await adopt_all(control, other.domain, [other])
    return await show(control, address)


def _add_alias(tx: Transaction, address: str, alias: Address) -> int:
    """Returns the account whose mail is to follow; 0 for none."""
    user = known(tx, address)
    refuse_foreign(parse(user.address).domain, [alias])
    other = users.find_exactly(tx, alias)
    if other is None or other.id == user.id or other.status != "pending" or parse(other.address).key != alias.key:
        users.add_alias(tx, user, alias)
        return 0
    users.absorb(tx, user, other)
    return other.id


async def alias_remove(control: Control, address: str, alias: str) -> UserShown:
    """Takes an alias from a user. Raises Refused if there is no such user, or if it is none of theirs."""
    await control.store.run(partial(_remove_alias, address=address, alias=own_address(alias)))
    return await show(control, address)


def _remove_alias(tx: Transaction, address: str, alias: Address) -> None:
    users.remove_alias(tx, known(tx, address), alias)


async def continuity(control: Control, address: str, on: bool) -> UserShown:
    """Opts a user in to continuity, or out, where the mode is `optional`. Raises Refused if there is none."""
    await control.store.run(partial(_set_opt_in, address=address, on=on))
    return await show(control, address)


def _set_opt_in(tx: Transaction, address: str, on: bool) -> None:
    users.set_opt_in(tx, known(tx, address), on)


async def relay(control: Control, address: str, on: bool) -> UserShown:
    """Says whether the home server logs in as this user, to send the domain's own outbound mail. Raises Refused if
    there is none."""
    await control.store.run(partial(_set_relay, address=address, on=on))
    return msgspec.structs.replace(await show(control, address), relay="on" if on else "off")


def _set_relay(tx: Transaction, address: str, on: bool) -> None:
    users.set_relay(tx, known(tx, address), on)


def known(tx: Transaction, address: str) -> User:
    """Returns the user with that very address or alias. Raises Refused if there is none."""
    parsed = own_address(address)
    user = users.find_exactly(tx, parsed)
    if user is None:
        raise Refused(f"{address}: no such user", "unknown", Hint("user list", "shows them", {"domain": parsed.domain}))
    return user


def _row(listed: Listed) -> UserRow:
    user = listed.user
    return UserRow(
        user.address, user.name, user.status, listed.aliases, listed.source, listed.messages, listed.alternate
    )


def alternate_address(text: str) -> str:
    """Reads an alternate address, and returns it as it is kept; empty text is none. Raises Refused for text that is no
    address."""
    return mail_address(text).text if text.strip() else ""


def refuse_foreign(domain: str, aliases: Sequence[Address]) -> None:
    """Raises Refused for aliases of another domain: one user's mail is owed to one home server."""
    for alias in aliases:
        if alias.domain != domain:
            raise Refused(f"{alias}: an alias must be an address of {domain}, the user's own domain")


async def adopt_all(control: Control, domain: str, addresses: Sequence[Address]) -> None:
    """Puts mail that is owed to these addresses without a mailbox into their INBOX."""
    known = await control.store.read(partial(domains.known, name=domain))
    await adopt(control.store, known.id, {address.key for address in addresses})


async def kept_of(control: Control, address: Address, password: str) -> Kept:
    """Returns what is kept of a password of the user with that address: its hash, and keys for SCRAM, with the salt of
    their app passwords. Raises Refused for one that will not do."""
    salt = await control.store.read(partial(_salt, address=address)) or control.randomness.bytes(SALT_OCTETS)
    return await control.compute(partial(control.passwords.keep, password, salt))


def _salt(tx: Transaction, address: Address) -> bytes:
    user = users.find_exactly(tx, address)
    return app_passwords.salt(tx, user.id) if user is not None else b""
