"""Operations on what administrators sign in by at the portal: their second factor, and browsers where they are."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import administrators, second_factor, totp, web_sessions
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR
from mpcontinuity.control.arguments import PAGE, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier, public
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Kind, Refused
from mpcontinuity.store.transaction import Transaction


class SessionRow(msgspec.Struct, frozen=True, rename={"peer": "from"}):
    """A browser in which an administrator is signed in.

    Times are ISO 8601. ``last_seen`` is exact to a minute; unless it is used before, the session ends at ``idle_end``,
    and at ``ends`` in any case. ``from`` is the IP address where it began, ``browser`` what the browser calls itself.
    """

    id: str
    name: str
    created: str
    last_seen: str
    idle_end: str
    ends: str
    peer: str
    browser: str


class SessionsRevoked(msgspec.Struct, frozen=True):
    """How many sessions of the administrator were ended."""

    name: str
    revoked: int


class TotpState(msgspec.Struct, frozen=True):
    """The second factor of an administrator: ``on`` since ``since`` (ISO 8601), or off.

    ``recovery_codes`` is how many are left. ``begun`` says that a new secret waits to be confirmed. ``locked`` says
    that so many wrong codes came that none is taken until the password is changed.
    """

    name: str
    on: bool
    since: str | None
    recovery_codes: int
    begun: bool
    locked: bool


class TotpBegun(msgspec.Struct, frozen=True):
    """A new secret, which counts once a code of it is confirmed, until ``expires`` (ISO 8601).

    ``secret`` is in base32, as one types it into an authenticator; ``uri`` is what a QR code holds.
    """

    name: str
    secret: str
    uri: str
    expires: str


class TotpConfirmed(msgspec.Struct, frozen=True):
    """The recovery codes of an administrator, who has a second factor from now on; nobody can be shown them again."""

    name: str
    recovery_codes: list[str]


class TotpRemoved(msgspec.Struct, frozen=True):
    """The administrator who has no second factor any more, and whether there was one."""

    name: str
    removed: bool


async def prove(control: Control, name: str, password: str | None, field: str = "password") -> None:
    """Raises Refused, as forbidden, where the caller is the administrator ``name``, came by a session or a token, and
    ``password``, the argument called ``field``, is not theirs: whoever finds a browser signed in is not to keep the
    house."""
    caller = control.caller
    if not caller.unproven or caller.name != name:
        return
    login = control.administrator_login()
    if login is None or password is None or await login.by_password(name, password, caller.unproven) is None:
        raise Refused("the present password is wrong, or was given wrongly too often", "forbidden", field=field)


async def sessions(control: Control, name: str | None = None, after: str = "", limit: int = PAGE) -> list[SessionRow]:
    """Lists up to ``limit`` browsers in which administrators are signed in, or the administrator ``name`` is, the
    newest first, those before the id ``after``. Raises Refused for a limit out of bounds, for an ``after`` that is no
    id, and for an unknown administrator."""
    return await control.store.read(partial(_sessions, name=name, after=row_id(after), limit=rows_of_page(limit)))


def _sessions(tx: Transaction, name: str | None, after: int, limit: int) -> list[SessionRow]:
    if name is not None:
        administrators.refuse_unknown(tx, name)
    return [
        SessionRow(
            id=identifier.show(session.id),
            name=session.whose,
            created=iso(session.created),
            last_seen=iso(session.seen),
            idle_end=iso(session.idle_end),
            ends=iso(session.ends),
            peer=session.peer,
            browser=session.agent,
        )
        for session in web_sessions.listing(tx, ADMINISTRATOR, name or "", after, limit)
    ]


async def revoke(control: Control, name: str, id: str | None = None, all: bool = False) -> SessionsRevoked:
    """Ends one session of the administrator ``name`` by its id, or ``all`` of theirs; the next request is refused.

    Raises Refused for an unknown administrator, for an id that is none of their sessions', and unless one of both is
    given.
    """
    if all is (id is not None):
        raise Refused("the id of a session or all of them must be given, and not both")
    try:
        session = identifier.parse(id) if id is not None else None
    except ValueError:
        raise _no_session(name, "invalid") from None
    return SessionsRevoked(name, await control.store.run(partial(_revoke, name=name, session=session)))


def _revoke(tx: Transaction, name: str, session: int | None) -> int:
    administrators.refuse_unknown(tx, name)
    if session is None:
        return web_sessions.end_all(tx, ADMINISTRATOR, name)
    if not web_sessions.end_one(tx, ADMINISTRATOR, name, session):
        raise _no_session(name, "unknown")
    return 1


def _no_session(name: str, kind: Kind) -> Refused:
    hint = Hint("admin session list", "shows theirs", {"name": name})
    return Refused(f"id: is not the id of a session of {name}", kind, hint)


async def totp_show(control: Control, name: str) -> TotpState:
    """Returns whether the administrator ``name`` has a second factor. Raises Refused if they are unknown."""
    found = await control.store.read(partial(_factor, name=name))
    since = iso(found.since) if found.since else None
    return TotpState(name, found.since > 0, since, found.codes, found.begun != "", found.spent)


def _factor(tx: Transaction, name: str) -> second_factor.SecondFactor:
    administrators.refuse_unknown(tx, name)
    return second_factor.find(tx, name)


async def totp_begin(control: Control, name: str, password: str | None = None) -> TotpBegun:
    """Makes a new secret for the authenticator of the administrator ``name``; what they have stays good until a code of
    the new one is confirmed.

    ``password`` is theirs; it is asked of those who do it for themselves by the web. Raises Refused if they are
    unknown, or the password is wrong.
    """
    await prove(control, name, password)
    fresh = totp.secret(control.randomness)
    began = await control.store.run(partial(_begin, name=name, secret=fresh))
    uri = totp.uri(fresh, name, public.host(control.settings))
    return TotpBegun(name, fresh, uri, iso(began + second_factor.BEGUN_LASTS))


def _begin(tx: Transaction, name: str, secret: str) -> int:
    administrators.refuse_unknown(tx, name)
    second_factor.begin(tx, name, secret)
    return tx.now


async def totp_confirm(control: Control, name: str, code: str) -> TotpConfirmed:
    """Turns the second factor of the administrator ``name`` on by a ``code`` of the secret that was begun, and gives
    new recovery codes. All their sessions end.

    Raises Refused if they are unknown, if nothing was begun, and for a wrong code.
    """
    recovery = second_factor.recovery_codes(control.randomness)
    if not await control.store.run(partial(_confirm, name=name, code=code, recovery=recovery)):
        why = "the code is wrong: take the present one of the authenticator, and see that its clock is right"
        raise Refused(why, field="code")
    return TotpConfirmed(name, recovery)


def _confirm(tx: Transaction, name: str, code: str, recovery: list[str]) -> bool:
    administrators.refuse_unknown(tx, name)
    return second_factor.confirm(tx, name, code, recovery)


async def totp_remove(control: Control, name: str, password: str | None = None) -> TotpRemoved:
    """Takes the second factor of the administrator ``name`` away, as when a telephone is lost. All their sessions end.

    ``password`` is as in `totp_begin`. Raises Refused if they are unknown, or the password is wrong.
    """
    await prove(control, name, password)
    return TotpRemoved(name, await control.store.run(partial(_remove, name=name)))


def _remove(tx: Transaction, name: str) -> bool:
    administrators.refuse_unknown(tx, name)
    return second_factor.remove(tx, name)
