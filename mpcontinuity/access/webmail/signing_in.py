"""The login of webmail, and logging out.

Before anybody is known, the token of the form is made of a secret that the browser alone has, so that no other site can
log a browser in to an account of its choice (web/before_login.py). The session that follows has a new secret: one that
somebody else had put into the browser is worth nothing.

Who has a second factor is asked for its code on a page of its own. What was proved so far is a session that lets nobody
in until that is done (`web_sessions.Session.step`).
"""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlencode

from twisted.logger import Logger
from twisted.web import http

from mpcontinuity.access.webmail.services import WebmailServices
from mpcontinuity.access.webmail.signed_in import (
    FORM,
    HOME,
    LOGIN,
    STALE,
    Visit,
    Webmail,
    login_for,
    secret_of,
    signed_out,
    with_secret,
)
from mpcontinuity.accounts import totp, user_factors
from mpcontinuity.accounts.second_factor import plain
from mpcontinuity.accounts.user_factors import UserFactor
from mpcontinuity.accounts.user_login import next_step
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import SignedIn, Step
from mpcontinuity.model import public
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

LOGOUT: Final = "/logout"
CODE: Final = f"{LOGIN}/code"
_DOOR: Final = "web"  # how `user show` says by what somebody has logged in
_LONGEST: Final = 32 * 1024  # octets of a form: an address, a password of 1,024 characters, a path

_WRONG: Final = marked(
    "The address or the password is wrong. After too many wrong ones from your network none is taken for a quarter of "
    "an hour. An app password does not open webmail."
)
WRONG_CODE: Final = marked(
    "The code is wrong, or was used already: take the one that the authenticator shows now, or a recovery code. After "
    "too many wrong ones from your network none is taken for a quarter of an hour."
)
_AGAIN: Final = marked("That took too long, or was ended. Please log in again.")
_WELCOME: Final = marked("Your password is set, and here is your mail. The settings lead on to your phone as well.")
_SLIPS: Final = 2  # wrong codes that people type themselves, of which nothing is said
_WRONG_BEFORE: Final = marked(
    "Lately wrong codes came with your right password: %(number)d. If that was not you, somebody knows your password: "
    "change it now."
)
_LEFT: Final = marked("You have used a recovery code up. Left: %(number)d. The settings have new ones.")

_log = Logger()


class SigningIn:
    """The pages of the login, for everybody."""

    def __init__(self, webmail: Webmail) -> None:
        self._webmail = webmail
        self._services = webmail.services

    def routes(self) -> list[Route]:
        """Returns the routes of these pages."""
        return [
            Route("GET", LOGIN, self.show),
            Route("POST", LOGIN, self.take_password, _LONGEST),
            Route("GET", CODE, self.show),
            Route("POST", CODE, self.take_code, _LONGEST),
            Route("POST", f"{LOGIN}/again", self.begin_anew, _LONGEST),
            self._webmail.get(LOGOUT, ask_to_leave),
            Route("POST", LOGOUT, self.leave, _LONGEST),
        ]

    async def show(self, asked: Asked) -> Answer:
        """Shows the step of the login that is to be done; who is signed in goes on to where they wanted."""
        if await self._webmail.visit(asked) is not None:
            return redirect(own_path(asked.query.get("next") or HOME))
        return await self.step(asked)

    async def step(self, asked: Asked) -> Answer:
        """Returns the form of the step that is to be done in a browser in which nobody is signed in."""
        found = await self._services.sessions.find(secret_of(asked), used=False)
        return self._ask_code(asked, found) if found is not None else self.ask(asked)

    async def take_password(self, asked: Asked) -> Answer:
        """Takes address and password, and begins the next step or signs the user in, or says that one is wrong."""
        if not FORM.is_ours(asked):
            return self.ask(asked, STALE)
        address, password = asked.form.get("address"), asked.form.get("password")
        user = await self._services.login.check(address, password, asked.peer, code_follows=True)
        if user is None:
            return self.ask(asked, _WRONG)
        return await enter(self._services, asked, user, "", _onward(asked))

    async def take_code(self, asked: Asked) -> Answer:
        """Takes the code of the second factor, and signs the user in."""
        secret = secret_of(asked)
        found = await self._services.sessions.find(secret)
        if found is None:
            return self.ask(asked, _AGAIN)
        if not found.session.step:
            return redirect(_onward(asked))
        if not csrf.is_ours(asked, secret):
            return self._ask_code(asked, found, STALE)
        user, code = found.who, asked.form.get("code")
        wrong = (await self._factor(user)).wrong
        if not await self._services.login.by_code(user, code, asked.peer):
            # Whoever that is knows the password. How often it can be said is bounded as wrong codes are.
            _log.info("login of {user!r} from {peer}: the code is wrong", user=user.address, peer=asked.peer)
            return self._ask_code(asked, found, WRONG_CODE)
        said = [asked.language.said(_WRONG_BEFORE, number=wrong)] if wrong > _SLIPS else []
        if len(plain(code)) != totp.DIGITS:
            said.append(asked.language.said(_LEFT, number=(await self._factor(user)).codes))
        return await _signed_in(self._services, asked, user, _onward(asked), " ".join(said))

    async def begin_anew(self, asked: Asked) -> Answer:
        """Ends a login that is under way, for another address."""
        secret = secret_of(asked)
        if not csrf.is_ours(asked, secret):
            return redirect(LOGIN)
        await self._services.sessions.end(secret)
        return with_secret(redirect(LOGIN), "", self._services)

    async def leave(self, asked: Asked) -> Answer:
        """Ends the session."""
        if not csrf.is_ours(asked, secret_of(asked)):
            return signed_out(asked, LOGOUT)
        await self._services.sessions.end(secret_of(asked))
        return with_secret(redirect(LOGIN), "", self._services)

    def ask(self, asked: Asked, error: str = "") -> Answer:
        """Returns the login's form, which says what was wrong with the last one."""
        secret = FORM.secret(asked, self._services.control.randomness)
        page = self._webmail.render(
            "login.html",
            secret,
            http.FORBIDDEN if error else http.OK,
            language=asked.language,
            again=login_for(_onward(asked)),
            error=error,
            address=asked.form.get("address"),
            host=public.host(self._services.control.settings),
            onward=_onward(asked),
        )
        return FORM.kept(page, secret)

    def _ask_code(self, asked: Asked, found: SignedIn[User], error: str = "") -> Answer:
        return self._webmail.render(
            "login_code.html",
            secret_of(asked),
            http.FORBIDDEN if error else http.OK,
            language=asked.language,
            again=login_for(_onward(asked)),
            error=error,
            address=found.who.address,
            onward=_onward(asked),
        )

    async def _factor(self, user: User) -> UserFactor:
        return await self._services.control.store.read(partial(user_factors.find, account=user.id))


async def enter(services: WebmailServices, asked: Asked, user: User, flash: str, onward: str = HOME) -> Answer:
    """Signs a user in who has proved the password, or has them asked for their second factor first.

    The page that they come to, ``onward``, says ``flash`` at its top, unless they are asked. Raises Temporary.
    """
    if user.second_factor:
        secret = await begin(services, asked, user, step=partial(next_step, account=user.id))
        path = f"{CODE}?{urlencode({'next': onward})}" if onward != HOME else CODE
        return with_secret(redirect(path), secret, services)
    # One who has just turned it on is asked all the same: the page that they come to leads back here.
    return await _signed_in(services, asked, user, onward, flash, step=partial(next_step, account=user.id))


async def welcome(services: WebmailServices, asked: Asked, user: User) -> Answer:
    """Signs a user in who has just set the password by an invitation, as `enter` does."""
    return await enter(services, asked, user, asked.language.said(_WELCOME))


async def begin(services: WebmailServices, asked: Asked, user: User, step: Step = "") -> str:
    """Begins a session in the browser that asks, in place of what it had, and returns its secret. It counts for the
    password that ``user`` has proved alone. ``step`` is as in `WebSessions.begin`. Raises Temporary."""
    return await services.sessions.begin(
        str(user.id),
        user.password_changes,
        step=step,
        peer=asked.peer,
        agent=asked.header("user-agent"),
        replaces=secret_of(asked),
    )


async def _signed_in(
    services: WebmailServices, asked: Asked, user: User, onward: str, flash: str, step: Step = ""
) -> Answer:
    secret = await begin(services, asked, user, step)
    if flash:
        await services.sessions.flash(secret, flash)
    services.login.logins.note(user, _DOOR, asked.peer)
    return with_secret(redirect(onward), secret, services)


async def ask_to_leave(visit: Visit) -> Answer:
    """Asks whether to log out, for who comes here by a link."""
    return await visit.render("logout.html")


def _onward(asked: Asked) -> str:
    """Where the login leads: the query says it at first, the form from then on."""
    return own_path(asked.form.get("next") or asked.query.get("next") or HOME)
