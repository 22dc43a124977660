"""Operations on app passwords: one for each device of a user, generated, shown once, and ended one by one."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import app_passwords, users
from mpcontinuity.accounts.passwords import prepare
from mpcontinuity.accounts.users import User
from mpcontinuity.control.operation import Control
from mpcontinuity.control.users import known
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS, make_keys, read_keys
from mpcontinuity.store.transaction import Transaction


class AppPasswordMade(msgspec.Struct, frozen=True):
    """A new app password, which nobody can be shown again. ``address`` is the name to log in by, and ``name`` the
    device that it is for."""

    address: str
    id: str
    name: str
    password: str


class AppPasswordRow(msgspec.Struct, frozen=True):
    """An app password as it is seen afterwards. ``name`` is the device that it is for.

    Times are ISO 8601. ``last_used`` is exact to a minute, by the protocol ``last_used_by``, from the IP address
    ``last_used_from``; None, and empty, where it was never used.
    """

    id: str
    name: str
    created: str
    last_used: str | None
    last_used_by: str
    last_used_from: str


class AppPasswordsRemoved(msgspec.Struct, frozen=True):
    """How many app passwords of the user were removed."""

    address: str
    removed: int


async def add(control: Control, address: str, name: str) -> AppPasswordMade:
    """Makes a password by which one device of a user, which ``name`` says, logs in to IMAP, POP3 and SMTP.

    Raises Refused if there is no such user, if they are not active, for a name that will not do, and where they have
    `app_passwords.MOST` already.
    """
    text = app_passwords.make(control.randomness)
    salt = await control.store.read(partial(_salt, address=address)) or control.randomness.bytes(SALT_OCTETS)
    keys = await control.compute(partial(make_keys, prepare(text), salt))
    user, made = await control.store.run(
        partial(_add, address=address, name=name, text=text, salt=salt, scram=str(keys))
    )
    return AppPasswordMade(user.address, identifier.show(made.id), made.name, text)


def _salt(tx: Transaction, address: str) -> bytes:
    """That of all passwords of the user; empty where there is none yet."""
    user = _active(tx, address)
    own = read_keys(users.credentials(tx, user.id).scram)
    return own.salt if own is not None else app_passwords.salt(tx, user.id)


def _active(tx: Transaction, address: str) -> User:
    user = known(tx, address)
    if user.status == "active":
        return user
    operation, does = ("user invite", "lets them set a password") if user.status == "pending" else _ACTIVATE
    raise Refused(
        f"{user.address}: is {user.status}, and cannot log in",
        "conflict",
        Hint(operation, does, {"address": user.address}),
    )


_ACTIVATE = ("user activate", "registers them again")


def _add(
    tx: Transaction, address: str, name: str, text: str, salt: bytes, scram: str
) -> tuple[User, app_passwords.AppPassword]:
    user = _active(tx, address)
    if (_salt(tx, address) or salt) != salt:
        raise Refused(f"{user.address}: was changed meanwhile; try again", "conflict")
    return user, app_passwords.add(tx, user.id, user.domain, text, name, scram)


async def list_(control: Control, address: str) -> list[AppPasswordRow]:
    """Lists the app passwords of a user, oldest first: `app_passwords.MOST` at most. Raises Refused if there is no such
    user."""
    return [
        AppPasswordRow(
            id=identifier.show(one.id),
            name=one.name,
            created=iso(one.created),
            last_used=iso(one.last_used) if one.last_used else None,
            last_used_by=one.last_used_by,
            last_used_from=one.last_used_from,
        )
        for one in await control.store.read(partial(_list, address=address))
    ]


def _list(tx: Transaction, address: str) -> list[app_passwords.AppPassword]:
    return app_passwords.listing(tx, known(tx, address).id)


async def remove(control: Control, address: str, id: str | None = None, all: bool = False) -> AppPasswordsRemoved:
    """Removes one app password of a user by its id, or ``all`` of theirs: what is connected by it is disconnected.

    Raises Refused if there is no such user, for an id that is none of their app passwords', and unless one of both is
    given.
    """
    if all is (id is not None):
        raise Refused("the id of an app password or all of them must be given, and not both")
    try:
        app_password = identifier.parse(id) if id is not None else None
    except ValueError:  # it may be the app password itself, which is not repeated
        hint = Hint("user app-password list", "shows theirs", {"address": address})
        raise Refused("id: is not the id of an app password", "invalid", hint) from None
    return await control.store.run(partial(_remove, address=address, app_password=app_password))


def _remove(tx: Transaction, address: str, app_password: int | None) -> AppPasswordsRemoved:
    user = known(tx, address)
    if app_password is None:
        return AppPasswordsRemoved(user.address, app_passwords.remove_all(tx, user.id, user.domain))
    if not app_passwords.remove(tx, user.id, user.domain, app_password):
        raise Refused(
            f"{identifier.show(app_password)}: is no app password of {user.address}",
            "unknown",
            Hint("user app-password list", "shows theirs", {"address": user.address}),
        )
    return AppPasswordsRemoved(user.address, 1)
