"""The login of webmail, and logging out.

Before anybody is known, the token of the form is made of a secret that the browser alone has, so that no other site can
log a browser in to an account of its choice (web/before_login.py). The session that follows has a new secret: one that
somebody else had put into the browser is worth nothing.
"""

from __future__ import annotations

from typing import Final

from twisted.web import http

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
from mpcontinuity.model import public
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

LOGOUT: Final = "/logout"
_DOOR: Final = "web"  # how `user show` says by what somebody has logged in
_LONGEST: Final = 32 * 1024  # octets of a form: an address, a password of 1,024 characters, a path

_WRONG: Final = marked(
    "The address or the password is wrong. After too many wrong ones from your network none is taken for a quarter of "
    "an hour. An app password does not open webmail."
)


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
            self._webmail.get(LOGOUT, ask_to_leave),
            Route("POST", LOGOUT, self.leave, _LONGEST),
        ]

    async def show(self, asked: Asked) -> Answer:
        """Asks for address and password; who is signed in goes on to where they wanted."""
        if await self._webmail.visit(asked) is not None:
            return redirect(own_path(asked.query.get("next") or HOME))
        return self.ask(asked)

    async def take_password(self, asked: Asked) -> Answer:
        """Takes address and password, and signs the user in or says that one of them is wrong."""
        if not FORM.is_ours(asked):
            return self.ask(asked, STALE)
        address, password = asked.form.get("address"), asked.form.get("password")
        user = await self._services.login.check(address, password, asked.peer)
        if user is None:
            return self.ask(asked, _WRONG)
        secret = await self._services.sessions.begin(
            str(user.id),
            user.password_changes,
            peer=asked.peer,
            agent=asked.header("user-agent"),
            replaces=secret_of(asked),
        )
        self._services.login.logins.note(user, _DOOR, asked.peer)
        return with_secret(redirect(_onward(asked)), secret, self._services)

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


async def ask_to_leave(visit: Visit) -> Answer:
    """Asks whether to log out, for who comes here by a link."""
    return await visit.render("logout.html")


def _onward(asked: Asked) -> str:
    """Where the login leads: the query says it at first, the form from then on."""
    return own_path(asked.form.get("next") or asked.query.get("next") or HOME)
