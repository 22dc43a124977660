"""``/settings/second-factor``: a user turns a second factor on, gets recovery codes, and turns it off.

To change it needs the password, and a code of what they had until then: a browser that was left open is not enough.
What the change ends is every session; the browser in which it was done goes on by a new one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from twisted.web import http

from mpcontinuity.access.webmail.settings import SETTINGS, WRONG
from mpcontinuity.access.webmail.signed_in import Visit, Webmail, with_secret
from mpcontinuity.access.webmail.signing_in import WRONG_CODE, begin
from mpcontinuity.accounts import app_passwords, totp, user_factors
from mpcontinuity.accounts.second_factor import digest_of, plain
from mpcontinuity.accounts.user_factors import UserFactor
from mpcontinuity.accounts.users import User
from mpcontinuity.control.user_factors import OWN, uri
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.languages import marked
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

PATH: Final = f"{SETTINGS}second-factor"

_NOT_SHOWN_BY_IT: Final = marked(
    "The authenticator does not show this code now. Take the present one, and see that the clock of the phone is right."
)
_TOO_LATE: Final = marked("That took too long, or was begun again elsewhere. Nothing was changed; please begin again.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        webmail.get(PATH, show),
        webmail.post(f"{PATH}/begin", begin_key),
        webmail.post(f"{PATH}/confirm", confirm),
        webmail.post(f"{PATH}/renew", renew),
        webmail.post(f"{PATH}/remove", remove),
    ]


async def show(visit: Visit) -> Answer:
    """Shows whether there is a second factor, and what it changes to have one."""
    return await _page(visit)


async def begin_key(visit: Visit) -> Answer:
    """Shows a new secret for an authenticator, which counts once it is confirmed."""
    made = await visit.call(OWN["user second-factor begin"])
    return await _key(visit, made.secret)


async def confirm(visit: Visit) -> Answer:
    """Takes a code of the new secret, the password, and a code of what was there until then; shows the recovery
    codes."""
    form, now = visit.asked.form, await _look(visit)
    begun, on = now.factor.begun, now.factor.since > 0
    # Another one may have begun meanwhile, in a browser of somebody who knows the password: nobody is to take theirs.
    if not begun or form.get("shown") != _mark(begun):
        return await _page(visit, page=visit.said(_TOO_LATE))
    # Looked at first, so that no code of the other authenticator is used up in vain.
    if totp.step_with(begun, plain(form.get("code")), visit.now) is None:
        return await _key(visit, begun, code=visit.said(_NOT_SHOWN_BY_IT))
    user, errors = await _prove(visit, form.get("password"), form.get("old"))
    if user is None:
        return await _key(visit, begun, **({"old": errors["code"]} if "code" in errors else errors))
    try:
        done = await visit.call(OWN["user second-factor confirm"], code=form.get("code"))
    except Refused:
        return await _page(visit, page=visit.said(_TOO_LATE))
    again = await _go_on(visit, user)
    page = await again.render("recovery_codes.html", codes=done.codes, just_on=not on)
    return with_secret(page, again.secret, visit.services)


async def renew(visit: Visit) -> Answer:
    """Takes the password and a code, and shows new recovery codes."""
    user, errors = await _prove(visit, visit.asked.form.get("password"), visit.asked.form.get("code"))
    if user is None:
        return await _page(visit, **{f"renew_{field}": text for field, text in errors.items()})
    try:
        done = await visit.call(OWN["user second-factor renew"])
    except Refused:
        return await _page(visit, page=visit.said(_TOO_LATE))
    return await visit.render("recovery_codes.html", codes=done.codes, just_on=False)


async def remove(visit: Visit) -> Answer:
    """Takes the password and a code, and turns the second factor off."""
    user, errors = await _prove(visit, visit.asked.form.get("password"), visit.asked.form.get("code"))
    if user is None:
        return await _page(visit, **{f"remove_{field}": text for field, text in errors.items()})
    await visit.call("user second-factor remove")
    again = await _go_on(visit, user)
    message = visit.said("The second factor is off. All other browsers are signed out.")
    return with_secret(await again.done(message, PATH), again.secret, visit.services)


class _Now(NamedTuple):
    """What a user has, and how many of their devices have an app password."""

    factor: UserFactor
    devices: int


async def _look(visit: Visit) -> _Now:
    return await visit.services.control.store.read(partial(_now, account=visit.user.id))


def _now(tx: Transaction, account: int) -> _Now:
    return _Now(user_factors.find(tx, account), len(app_passwords.listing(tx, account)))


async def _prove(visit: Visit, password: str, code: str) -> tuple[User | None, dict[str, str]]:
    """The user with the password that they proved; else None, and what is wrong by its field: ``password`` or
    ``code``. The code is asked of who has a second factor, and is used up."""
    login, peer = visit.services.login, visit.asked.peer
    user = await login.check(visit.user.address, password, peer, code_follows=True)
    if user is None or user.id != visit.user.id:
        return None, {"password": visit.said(WRONG)}
    if (await _look(visit)).factor.since and not await login.by_code(user, code, peer):
        return None, {"code": visit.said(WRONG_CODE)}
    return user, {}


async def _go_on(visit: Visit, user: User) -> Visit:
    """The visit by a new session: all that there were have ended."""
    return replace(visit, secret=await begin(visit.services, visit.asked, user))


async def _page(visit: Visit, **errors: str) -> Answer:
    code = http.BAD_REQUEST if errors else http.OK
    return await visit.render("factor.html", code, errors=errors, **(await _look(visit))._asdict())


async def _key(visit: Visit, key: str, **errors: str) -> Answer:
    code = http.BAD_REQUEST if errors else http.OK
    image = drawn(uri(visit.services.control, visit.user.address, key))
    on = (await _look(visit)).factor.since > 0
    return await visit.render("factor_key.html", code, key=key, qr=image, mark=_mark(key), on=on, errors=errors)


def _mark(key: str) -> str:
    """By which a form says what key its page shows."""
    return digest_of(key).hex()
