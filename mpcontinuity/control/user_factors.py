"""Operations on what users sign in by at webmail besides the password: their second factor.

Administrators see whether a user has one, and take it away where a telephone is lost. To have one is for users alone:
`OWN` has what they do for themselves, which no command, token or page of administrators reaches. Whoever calls it has
seen the user's password, and a code of the factor that they had.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import second_factor, totp, user_factors
from mpcontinuity.accounts.users import User
from mpcontinuity.alerts.announcing import Announcement, Mark, announce
from mpcontinuity.control.caller import Scope
from mpcontinuity.control.operation import Control, Operation
from mpcontinuity.control.users import known
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction


class UserFactorState(msgspec.Struct, frozen=True):
    """The second factor of a user: ``on`` since ``since`` (ISO 8601), or off.

    ``recovery_codes`` is how many are left. ``locked`` says that so many wrong codes came that only a recovery code is
    taken until the password is changed.
    """

    address: str
    on: bool
    since: str | None
    recovery_codes: int
    locked: bool


class UserFactorRemoved(msgspec.Struct, frozen=True):
    """The user who has no second factor any more, and whether there was one."""

    address: str
    removed: bool


class UserFactorBegun(msgspec.Struct, frozen=True):
    """A new secret, which counts once a code of it is confirmed.

    ``secret`` is in base32, as one types it into an authenticator; ``uri`` is what a QR code holds.
    """

    secret: str
    uri: str


class RecoveryCodes(msgspec.Struct, frozen=True):
    """The recovery codes of a user; nobody can be shown them again."""

    codes: list[str]


async def show(control: Control, address: str) -> UserFactorState:
    """Returns whether a user has a second factor. Raises Refused if there is no such user."""
    user, found = await control.store.read(partial(_show, address=address))
    since = iso(found.since) if found.since else None
    return UserFactorState(user.address, found.since > 0, since, found.codes, found.spent)


def _show(tx: Transaction, address: str) -> tuple[User, user_factors.UserFactor]:
    user = known(tx, address)
    return user, user_factors.find(tx, user.id)


async def remove(control: Control, address: str) -> UserFactorRemoved:
    """Takes a user's second factor away, as when a telephone is lost: the password alone lets them in again, and opens
    their mail programs. They are signed in by no browser any more, and a message in INBOX tells them.

    Raises Refused if there is no such user.
    """
    state, work = await show(control, address), partial(_remove, address=address)
    if state.on:
        who = "you" if control.caller.user is not None else "an administrator"
        await _tell(control, address, "is off", _OFF.format(who=who, host=public.host(control.settings)), work)
    else:  # what was begun goes
        await control.store.run(work)
    return UserFactorRemoved(state.address, state.on)


def _remove(tx: Transaction, address: str) -> None:
    user = known(tx, address)
    user_factors.remove(tx, user.id, user.domain)


async def _begin(control: Control, address: str) -> UserFactorBegun:
    """Makes a new secret for the authenticator of a user; what they have stays good until a code of the new one is
    confirmed. Raises Refused if there is no such user."""
    fresh = totp.secret(control.randomness)
    user = await control.store.run(partial(_keep, address=address, secret=fresh))
    return UserFactorBegun(fresh, uri(control, user.address, fresh))


def _keep(tx: Transaction, address: str, secret: str) -> User:
    user = known(tx, address)
    user_factors.begin(tx, user.id, secret)
    return user


def uri(control: Control, address: str, secret: str) -> str:
    """Returns what a QR code holds of the secret of a user."""
    return totp.uri(secret, address, public.host(control.settings))


async def _confirm(control: Control, address: str, code: str) -> RecoveryCodes:
    """Turns the second factor of a user on by a ``code`` of the secret that was begun, and gives new recovery codes.
    Wherever they are signed in by their password, they are no longer; a message in INBOX tells them.

    Raises Refused if there is no such user, if nothing was begun, and for a wrong code.
    """
    recovery = second_factor.recovery_codes(control.randomness)
    work = partial(_turn_on, address=address, code=code, recovery=recovery)
    await _tell(control, address, "is on", _ON.format(host=public.host(control.settings)), work)
    return RecoveryCodes(recovery)


def _turn_on(tx: Transaction, address: str, code: str, recovery: list[str]) -> None:
    user = known(tx, address)
    user_factors.confirm(tx, user.id, user.domain, code, recovery)


async def _renew(control: Control, address: str) -> RecoveryCodes:
    """Gives a user new recovery codes; those before are good no more. Raises Refused if there is no such user, and
    where they have no second factor."""
    recovery = second_factor.recovery_codes(control.randomness)
    await control.store.run(partial(_give, address=address, recovery=recovery))
    return RecoveryCodes(recovery)


def _give(tx: Transaction, address: str, recovery: list[str]) -> None:
    user = known(tx, address)
    if not user_factors.is_on(tx, user.id):
        raise Refused(f"{user.address}: has no second factor", "conflict")
    user_factors.give_codes(tx, user.id, recovery)


async def _tell(control: Control, address: str, what: str, text: str, mark: Mark) -> None:
    user = await control.store.read(partial(known, address=address))
    mail = Announcement(
        to=parse(user.address),
        domain=user.domain,
        subject=f"Your second factor {what}",
        text=text,
        into_inbox=True,
        inbox_only=True,
    )
    await announce(control.store, control.settings, [mail], mark)


_ON: Final = (
    "A second factor is on for your mail at {host}. Who signs in needs your\n"
    "password and a code of your authenticator, or a recovery code. Mail programs\n"
    "and telephones need an app password.\n\n"
    "If that was not you, tell your administrators at once.\n"
)
_OFF: Final = (
    "Your second factor for your mail at {host} was turned off by {who}.\n"
    "Your password alone lets you in again, in a browser and in mail programs.\n"
    "You can turn it on again in the settings of your mail.\n\n"
    "If you did not want that, change your password and tell your administrators.\n"
)

OWN: Final[Mapping[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation("user second-factor begin", _begin, Scope.SELF, address_in="address"),
        Operation("user second-factor confirm", _confirm, Scope.SELF, address_in="address"),
        Operation("user second-factor renew", _renew, Scope.SELF, address_in="address"),
    )
}
