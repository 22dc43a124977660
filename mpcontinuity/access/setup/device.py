"""The pages ``/setup/phone``: a user logs in, gets a password for the device at hand, and sees it arrive.

Whoever is signed in here can set up devices, and nothing else: the session is of a kind of its own. The password of
the device is shown once, by the answer that made it; the page beside it looks whether that device has logged in.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.access.setup.guide import PHONE, profile_path, values
from mpcontinuity.access.setup.services import SetupServices, render
from mpcontinuity.accounts.user_login import next_step
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import SignedIn, Step
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import marked
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, explained, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import LoginForm, go_on, is_from_elsewhere
from mpcontinuity.web.cookies import clear_cookie, set_cookie
from mpcontinuity.web.routes import Route

COOKIE: Final = "mpc_setup"
FORM: Final = LoginForm("mpc_setup_login")
MADE: Final = f"{PHONE}/made"
CODE: Final = f"{PHONE}/code"
_ARRIVED: Final = "arrived"  # in the query: that the browser was sent on once, from a page of ours
_LONGEST: Final = 32 * 1024  # octets of a form: an address, and a password of 1,024 characters

_WRONG: Final = marked(
    "The address or the password is wrong. After too many wrong ones from your network none is taken for a quarter of "
    "an hour. An app password does not open this page."
)
_WRONG_CODE: Final = marked(
    "The code is wrong, or was used already: take the one that the authenticator shows now, or a recovery code. After "
    "too many wrong ones from your network none is taken for a quarter of an hour."
)
_STALE: Final = marked("This form was not sent from this page, or is out of date. Please try again.")

# What browsers call themselves, the telling word first: a telephone's says "Linux" or "Mac OS X" as well.
_DEVICES: Final = (
    ("iPhone", "iPhone", "apple"),
    ("iPad", "iPad", "apple"),
    ("Android", marked("Android telephone"), "android"),
    ("Macintosh", "Mac", "apple"),
    ("Windows", marked("Windows computer"), "computer"),
    ("Linux", marked("Linux computer"), "computer"),
)
_UNKNOWN: Final = (marked("device"), "computer")


def device(agent: str) -> tuple[str, str]:
    """Returns what a device is called by the User-Agent of its browser, and its kind: ``apple``, ``android`` or
    ``computer``."""
    found = next(((name, kind) for word, name, kind in _DEVICES if word in agent), None)
    return found or _UNKNOWN


class DevicePages:
    """The pages, for all users."""

    def __init__(self, services: SetupServices) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        """Returns the routes of these pages."""
        return [
            Route("GET", PHONE, self.show),
            Route("POST", f"{PHONE}/login", self.log_in, _LONGEST),
            Route("GET", CODE, self.show),
            Route("POST", CODE, self.take_code, _LONGEST),
            Route("POST", f"{PHONE}/logout", self.log_out, _LONGEST),
            Route("POST", f"{PHONE}/remove", self.remove, _LONGEST),
            Route("POST", MADE, self.make, _LONGEST),
            Route("GET", MADE, self.look),
        ]

    async def show(self, asked: Asked) -> Answer:
        """Asks for address and password, and for a code of who has a second factor; whoever is signed in sees how to
        set up this device, and their devices."""
        found = await self._find(asked)
        if found is not None:
            return self._ask_code(asked, found.who) if found.session.step else await self._page(asked, found.who)
        if COOKIE not in asked.cookies and is_from_elsewhere(asked) and _ARRIVED not in asked.query:
            return go_on(f"{PHONE}?{urlencode({'address': asked.query.get('address'), _ARRIVED: '1'})}", asked.language)
        return self._ask(asked)

    async def log_in(self, asked: Asked) -> Answer:
        """Takes address and password: the user's own, and no app password. What follows is the code, or the page."""
        before = asked.cookies.get(COOKIE, "")
        if not FORM.is_ours(asked):
            return self._ask(asked, _STALE)
        address, password = asked.form.get("address"), asked.form.get("password")
        user = await self._services.login.check(address, password, asked.peer, code_follows=True)
        if user is None:
            return self._ask(asked, _WRONG)
        return await self._begin(asked, user, before, partial(next_step, account=user.id))

    async def take_code(self, asked: Asked) -> Answer:
        """Takes the code of the second factor."""
        found = await self._find(asked)
        if found is None or not found.session.step:
            return redirect(PHONE)
        if not _is_ours(asked):
            return self._ask_code(asked, found.who, _STALE)
        if not await self._services.login.by_code(found.who, asked.form.get("code"), asked.peer):
            return self._ask_code(asked, found.who, _WRONG_CODE)
        return await self._begin(asked, found.who, asked.cookies.get(COOKIE, ""))

    async def log_out(self, asked: Asked) -> Answer:
        """Ends the session."""
        if _is_ours(asked):
            await self._services.sessions.end(asked.cookies.get(COOKIE, ""))
        return self._with_secret(redirect(PHONE), "")

    async def make(self, asked: Asked) -> Answer:
        """Makes a password for this device, and shows it this once."""
        user = await self._signed_in(asked)
        if user is None or not _is_ours(asked):
            return await self._refused(asked, user)
        try:
            made = await self._call(asked, user, "user app-password add", name=asked.form.get("name"))
        except Refused as refused:
            return await self._page(asked, user, explained(refused, asked.language)[1])
        return await self._made(asked, user, made.password)

    async def look(self, asked: Asked) -> Answer:
        """Shows whether the device whose password was made last has logged in."""
        user = await self._signed_in(asked)
        return redirect(PHONE) if user is None else await self._made(asked, user)

    async def remove(self, asked: Asked) -> Answer:
        """Removes the app password of a device that is lost, or was never set up."""
        user = await self._signed_in(asked)
        if user is None or not _is_ours(asked):
            return await self._refused(asked, user)
        try:
            await self._call(asked, user, "user app-password remove", id=asked.form.get("id"))
        except Refused as refused:
            return await self._page(asked, user, explained(refused, asked.language)[1])
        return redirect(PHONE)

    # Parts

    async def _find(self, asked: Asked) -> SignedIn[User] | None:
        by_script = asked.header("sec-fetch-dest") == "empty"  # a page that looks again by itself is no use of it
        return await self._services.sessions.find(asked.cookies.get(COOKIE, ""), used=not by_script)

    async def _signed_in(self, asked: Asked) -> User | None:
        found = await self._find(asked)
        return found.who if found is not None and not found.session.step else None

    async def _begin(self, asked: Asked, user: User, before: str, step: Step = "") -> Answer:
        agent = asked.header("user-agent")
        secret = await self._services.sessions.begin(
            str(user.id), user.password_changes, step=step, peer=asked.peer, agent=agent, replaces=before
        )
        return self._with_secret(redirect(PHONE), secret)

    async def _refused(self, asked: Asked, user: User | None) -> Answer:
        return self._ask(asked, _STALE) if user is None else await self._page(asked, user, _STALE)

    async def _call(self, asked: Asked, user: User, operation: str, **arguments: Any) -> Any:
        caller = Caller(user.address, parse(user.address).domain, user.address, f"set-up, {asked.peer}")
        control = replace(self._services.control, caller=caller)
        return await OPERATIONS[operation](control, {"address": user.address, **arguments})

    def _ask(self, asked: Asked, error: str = "") -> Answer:
        secret = FORM.secret(asked, self._services.control.randomness)
        page = render(
            asked,
            "phone_login.html",
            http.FORBIDDEN if error else http.OK,
            csrf=csrf.token_of(secret.encode()),
            again=PHONE,
            error=asked.language.said(error),
            host=public.host(self._services.control.settings),
            address=asked.form.get("address") or asked.query.get("address"),
        )
        return FORM.kept(page, secret)

    def _ask_code(self, asked: Asked, user: User, error: str = "") -> Answer:
        return render(
            asked,
            "phone_code.html",
            http.FORBIDDEN if error else http.OK,
            csrf=csrf.token_of(asked.cookies[COOKIE].encode()),
            again=PHONE,
            error=asked.language.said(error),
            address=user.address,
        )

    async def _page(self, asked: Asked, user: User, error: str = "") -> Answer:
        devices = await self._call(asked, user, "user app-password list")
        name, kind = device(asked.header("user-agent"))
        return render(
            asked,
            "phone.html",
            http.BAD_REQUEST if error else http.OK,
            again=PHONE,
            error=asked.language.said(error),
            name=asked.form.get("name") or asked.language.said(name),
            devices=devices,
            **self._about(asked, user, kind),
        )

    async def _made(self, asked: Asked, user: User, password: str = "") -> Answer:
        """``password`` is empty where the page is asked for again, to look."""
        devices = await self._call(asked, user, "user app-password list")
        if not devices:
            return redirect(PHONE)
        kind = device(asked.header("user-agent"))[1]
        return render(asked, "phone_made.html", made=devices[-1], password=password, **self._about(asked, user, kind))

    def _about(self, asked: Asked, user: User, kind: str) -> dict[str, Any]:
        settings = self._services.control.settings
        return {
            "csrf": csrf.token_of(asked.cookies[COOKIE].encode()),
            "address": user.address,
            "host": public.host(settings),
            "kind": kind,
            "values": values(settings, user.address),
            "profile": profile_path(user.address),
        }

    def _with_secret(self, answer: Answer, secret: str) -> Answer:
        lasts = self._services.sessions.kind.lasts // SECOND
        name, value = set_cookie(COOKIE, secret, max_age=lasts) if secret else clear_cookie(COOKIE)
        return replace(answer, fields={**answer.fields, name: value})


def _is_ours(asked: Asked) -> bool:
    return csrf.is_ours(asked, asked.cookies.get(COOKIE, ""))
