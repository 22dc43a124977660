"""The login of the portal, in its steps, and logging out.

A password is asked first, then a code of the second factor. Who has none is asked to set one up, and has to where the
server demands it (`[web] require_totp`). What was proved so far is a row of ``web_session`` that lets nobody in until
the last step is done, and each step has a new secret: one that somebody else had put into the browser is worth nothing.

Before anybody is known, the token of the form is made of a secret that the browser alone has, so that no other site can
log a browser in to an account of its choice (web/before_login.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.accounts import administrators, audit, second_factor, totp
from mpcontinuity.accounts.administrator_login import Administrator
from mpcontinuity.accounts.web_sessions import SignedIn
from mpcontinuity.admin.portal.signed_in import (
    COOKIE,
    FORM,
    HOME,
    LOGIN,
    STALE,
    Portal,
    Visit,
    own_path,
    refused_at,
    with_secret,
)
from mpcontinuity.control.caller import of_administrator
from mpcontinuity.model import public
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

_LONGEST: Final = 32 * 1024  # octets of a form: a name, a password of 1,024 characters, a path
CODE: Final = "code"  # steps that are still to be done: `web_sessions.Session.step`
ENROL: Final = "enrol"

_WRONG: Final = (
    "The name or the password is wrong. After too many wrong ones from your network none is taken for a quarter of an "
    "hour."
)
_WRONG_CODE: Final = (
    "The code is wrong, or was used already: take the one that the authenticator shows now, or a recovery code. After "
    "too many wrong ones none is taken for a quarter of an hour."
)
_DONE: Final = "done"
_REFUSED: Final = "refused: the code of the second factor is wrong"
_NO_FACTOR: Final = (
    "Your password alone protects this account. Set up an authenticator: your name, at the top, leads there."
)
_AGAIN: Final = "That took too long, or was ended. Please log in again."


class SigningIn:
    """The pages of the login, for everybody."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services
        self._require = portal.services.control.settings.web.require_totp

    def routes(self) -> list[Route]:
        """Returns the routes of these pages."""
        return [
            Route("GET", LOGIN, self.show),
            Route("POST", LOGIN, self.take_password, _LONGEST),
            Route("POST", f"{LOGIN}/code", self.take_code, _LONGEST),
            Route("POST", f"{LOGIN}/enrol", self.take_enrolment, _LONGEST),
            Route("POST", f"{LOGIN}/again", self.begin_anew, _LONGEST),
            self._portal.get("/admin/logout", self.ask_to_leave),
            self._portal.post("/admin/logout", self.leave),
        ]

    async def show(self, asked: Asked) -> Answer:
        """Shows the step of the login that is to be done; who is signed in goes on to where they wanted."""
        found = await self._services.sessions.find(_secret_of(asked))
        if found is None:
            return await self._ask_password(asked)
        if not found.session.step:
            return redirect(own_path(asked.query.get("next")))
        return await self._ask(asked, found)

    async def take_password(self, asked: Asked) -> Answer:
        """Takes name and password, and begins the next step, or says that one of them is wrong."""
        if not FORM.is_ours(asked):
            return await self._ask_password(asked, STALE)
        login, name = self._services.login, asked.form.get("name")
        administrator = await login.by_password(name, asked.form.get("password"), asked.peer)
        if administrator is None:
            return await self._ask_password(asked, _WRONG)
        if await login.has_second_factor(administrator):
            step = CODE
        elif self._require:
            step = ENROL
            await self._portal.call(_proven(administrator, asked), "admin totp begin", name=administrator.name)
        else:
            step = ""
        return await self._go_on(asked, administrator, step, "" if step else _NO_FACTOR)

    async def take_code(self, asked: Asked) -> Answer:
        """Takes the code of the second factor, and signs the administrator in."""
        found = await self._waiting(asked, CODE)
        if isinstance(found, Answer):
            return found
        if not await self._services.login.by_code(found.who, asked.form.get("code"), asked.peer):
            await self._note(asked, found.who, _REFUSED)  # whoever that is knows the password
            return await self._ask(asked, found, _WRONG_CODE)
        return await self._go_on(asked, found.who, "")

    async def take_enrolment(self, asked: Asked) -> Answer:
        """Takes the first code of a new authenticator, signs the administrator in and shows the recovery codes."""
        found = await self._waiting(asked, ENROL)
        if isinstance(found, Answer):
            return found
        caller = _proven(found.who, asked)
        try:
            done = await self._portal.call(
                caller, "admin totp confirm", name=found.who.name, code=asked.form.get("code")
            )
        except Refused as refused:
            return await self._ask(asked, found, refused_at(refused))
        secret = await self._begin(asked, found.who, "")
        await self._note(asked, found.who, _DONE)
        onward = own_path(asked.form.get("next"))
        page = self._portal.render("recovery_codes.html", secret, codes=done.recovery_codes, onward=onward)
        return with_secret(page, secret, self._services)

    async def begin_anew(self, asked: Asked) -> Answer:
        """Ends a login that is under way, for another name."""
        secret = _secret_of(asked)
        if csrf.is_ours(asked, secret):
            await self._services.sessions.end(secret)
        return redirect(LOGIN)

    async def ask_to_leave(self, visit: Visit) -> Answer:
        """Asks whether to log out, for who comes here by a link."""
        return visit.render("logout.html")

    async def leave(self, visit: Visit) -> Answer:
        """Ends the session."""
        await self._services.sessions.end(visit.secret)
        return with_secret(redirect(LOGIN), "", self._services)

    # Steps

    async def _waiting(self, asked: Asked, step: str) -> SignedIn[Administrator] | Answer:
        """The login that is under way in this browser, where it waits for that step and the form is of it."""
        secret = _secret_of(asked)
        found = await self._services.sessions.find(secret)
        if found is None or found.session.step != step:
            return await self._ask_password(asked, _AGAIN)
        if not csrf.is_ours(asked, secret):
            return await self._ask(asked, found, STALE)
        return found

    async def _go_on(self, asked: Asked, administrator: Administrator, step: str, flash: str = "") -> Answer:
        secret = await self._begin(asked, administrator, step)
        if flash:
            await self._services.sessions.flash(secret, flash)
        if not step:
            await self._note(asked, administrator, _DONE)
        onward = own_path(asked.form.get("next"))
        path = f"{LOGIN}?{urlencode({'next': onward})}" if step else onward
        return with_secret(redirect(path), secret, self._services)

    async def _begin(self, asked: Asked, administrator: Administrator, step: str) -> str:
        return await self._services.sessions.begin(
            administrator.name,
            administrator.password,
            step=step,
            peer=asked.peer,
            agent=asked.header("user-agent"),
            replaces=_secret_of(asked),
        )

    async def _note(self, asked: Asked, who: Administrator, result: str) -> None:
        """Has the audit trail say who signed in, or could not."""
        act = audit.Act(who.name, f"login, {asked.peer}", "admin login", "", who.domain, bounded=who.domain != "")
        await self._services.control.store.run(partial(_noted, act=act, result=result))

    async def _ask_password(self, asked: Asked, error: str = "") -> Answer:
        secret = FORM.secret(asked, self._services.control.randomness)
        nobody = await self._services.control.store.read(administrators.none_yet)
        page = self._portal.render(
            "login.html",
            secret,
            http.FORBIDDEN if error else http.OK,
            error=error,
            nobody=nobody,
            name=asked.form.get("name"),
            onward=_onward(asked),
        )
        return FORM.kept(page, secret)

    async def _ask(self, asked: Asked, found: SignedIn[Administrator], error: str = "") -> Answer:
        values: dict[str, Any] = {"error": error, "onward": _onward(asked), "name": found.who.name}
        code = http.FORBIDDEN if error else http.OK
        if found.session.step == CODE:
            return self._portal.render("login_code.html", _secret_of(asked), code, **values)
        return await self._ask_enrolment(asked, found.who, code, values)

    async def _ask_enrolment(self, asked: Asked, who: Administrator, code: int, values: dict[str, Any]) -> Answer:
        control = self._services.control
        begun = (await control.store.read(partial(second_factor.find, name=who.name))).begun
        if not begun:
            return await self._ask_password(asked, _AGAIN)
        uri = totp.uri(begun, who.name, public.host(control.settings))
        return self._portal.render("login_enrol.html", _secret_of(asked), code, key=begun, qr=drawn(uri), **values)


def _noted(tx: Transaction, act: audit.Act, result: str) -> None:
    if result == _DONE:
        audit.end(tx, audit.begin(tx, act), result)
    else:
        audit.refused(tx, act, result)


def _secret_of(asked: Asked) -> str:
    return asked.cookies.get(COOKIE, "")


def _onward(asked: Asked) -> str:
    """Where the login leads: the query says it at first, the form from then on."""
    return own_path(asked.form.get("next") or asked.query.get("next") or HOME)


def _proven(administrator: Administrator, asked: Asked) -> Any:
    """The administrator as a caller who has just proved the password."""
    return of_administrator(administrator, f"login, {asked.peer}")
