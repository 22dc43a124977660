"""What every page behind the login has: whoever is signed in, the operations in their name, and guarded forms.

A page is a coroutine function of a `Visit`. `Portal` makes a route of it, which answers only those who are signed in:
others are sent to the login and come back. A form counts only with the token of its own session, and from our own
pages.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from twisted.web import http

from mpcontinuity.accounts import administrators
from mpcontinuity.accounts.administrator_login import Administrator, AdministratorLogin
from mpcontinuity.accounts.web_sessions import Session, WebSessions
from mpcontinuity.control.arguments import MOST
from mpcontinuity.control.caller import Caller, Scope, of_administrator
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import HTML, Answer, Stream, explained, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import LoginForm, go_on, is_from_elsewhere
from mpcontinuity.web.cookies import clear_cookie, set_cookie
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route
from mpcontinuity.web.templates import Templates

COOKIE: Final = "mpc_admin"
FORM: Final = LoginForm("mpc_admin_login")
LOGIN: Final = "/admin/login"
HOME: Final = "/admin/"
LONGEST_FORM: Final = 64 * 1024  # octets: two passwords of 1,024 characters, each of twelve octets, and some fields

# The parts of the portal, and those of them that are for administrators of all domains alone.
NAVIGATION: Final = (
    (HOME, "Home"),
    ("/admin/domains", "Domains"),
    ("/admin/users", "Users"),
    ("/admin/tracking", "Email Live Tracking"),
    ("/admin/archive", "Archive"),
    ("/admin/queue", "Queue"),
    ("/admin/recovery", "Recovery"),
    ("/admin/report", "Report"),
    ("/admin/audit", "Audit"),
    ("/admin/webhooks", "Webhooks"),
    ("/admin/administrators", "Administrators"),
    ("/admin/tokens", "Tokens"),
    ("/admin/health", "Health"),
)
OF_ALL: Final = frozenset({"/admin/administrators", "/admin/tokens", "/admin/health", "/admin/webhooks"})

STALE: Final = "This form was not sent from this page, or is out of date. Please try again."

_OWN_PATH: Final = re.compile(r"/admin/[A-Za-z0-9._~%?&=+@/:,-]{0,1000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalServices:
    """The parts of the server that the pages use.

    ``control`` is what operations work with; each page says who calls them. ``login`` judges passwords and codes,
    ``sessions`` knows who is signed in, and ``templates`` has the HTML.
    """

    control: Control
    login: AdministratorLogin
    sessions: WebSessions[Administrator]
    templates: Templates


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in.

    ``control`` has the administrator as its caller. ``session`` is theirs, and ``secret`` that of the session, of which
    the token of its forms is made.
    """

    asked: Asked
    control: Control
    session: Session
    administrator: Administrator
    secret: str
    services: PortalServices

    @property
    def name(self) -> str:
        """The administrator's name."""
        return self.administrator.name

    @property
    def by_script(self) -> bool:
        """Whether the page is shown anew by itself, which is no use of it, and which nobody may have looked at."""
        return by_script(self.asked)

    @property
    def of_all(self) -> bool:
        """Whether they administer all domains, and the server."""
        return self.control.caller.scope is Scope.ALL

    @property
    def navigation(self) -> tuple[tuple[str, str], ...]:
        """The path and the name of each part of the portal that they may see."""
        return NAVIGATION if self.of_all else tuple(each for each in NAVIGATION if each[0] not in OF_ALL)

    async def call(self, operation: str, /, **arguments: Any) -> Any:
        """Calls an operation by its name for the administrator, and returns what it returns: a Struct, or a list of
        them. Raises Refused, and Temporary when it cannot be done now."""
        return await OPERATIONS[operation](self.control, arguments)

    def asked_by(self, *names: str) -> dict[str, str]:
        """Returns those fields of the query that are filled in: the arguments by which a list is asked for."""
        given = {name: self.asked.query.get(name).strip() for name in names}
        return {name: value for name, value in given.items() if value}

    def next_page(self, operation: str, rows: Sequence[msgspec.Struct], limit: int) -> str:
        """Returns the path of the page behind these rows of a list; empty where they were all."""
        if len(rows) < limit:
            return ""
        cursor = OPERATIONS[operation].after(msgspec.to_builtins(rows[-1]))
        query = {name: self.asked.query.get(name) for name in self.asked.query}
        return f"{self.asked.path}?{urlencode({**query, 'after': cursor})}"

    async def domains(self) -> list[tuple[str, str]]:
        """Returns the names of all domains that they administer, as a choice shows them."""
        return [(row.domain, row.domain) for row in await self.call("domain list", limit=MOST)]

    def render(self, template: str, /, code: int = 200, **values: Any) -> Answer:
        """Returns a page: a template with ``values``.

        Each template is given ``visit``, ``csrf`` (the token that each form has to have) and ``flash`` as well.
        """
        given = {"visit": self, "csrf": csrf.token_of(self.secret.encode()), "flash": self.session.flash, **values}
        return Answer(self.services.templates.render(template, **given), code, HTML)

    async def begin_again(self) -> Visit:
        """Begins another session for this browser in place of this one, and returns the visit as one of it.

        What changes how an administrator logs in ends all their sessions; the browser where they did so goes on by the
        new one, whose secret the answer has to bring (`with_secret`).
        """
        kept = await self.control.store.read(partial(administrators.credentials, name=self.name))
        password = kept.password_id if kept is not None else 0
        secret = await self.services.sessions.begin(
            self.name, password, peer=self.asked.peer, agent=self.asked.header("user-agent"), replaces=self.secret
        )
        return replace(self, secret=secret)

    async def done(self, message: str, path: str) -> Answer:
        """Sends the browser to a page of ours, which says ``message`` at its top, once."""
        await self.services.sessions.flash(self.secret, message)
        return redirect(path)


Page = Callable[[Visit], Awaitable[Answer | Stream]]


class Portal:
    """Makes routes of pages."""

    def __init__(self, services: PortalServices) -> None:
        self.services = services

    async def call(self, caller: Caller, operation: str, /, **arguments: Any) -> Any:
        """Calls an operation by its name for somebody who is not signed in yet. Raises Refused and Temporary."""
        return await OPERATIONS[operation](replace(self.services.control, caller=caller), arguments)

    def render(self, template: str, secret: str, /, code: int = 200, **values: Any) -> Answer:
        """Returns a page for somebody who is not signed in yet, and has that secret in the cookie."""
        given = {"visit": None, "csrf": csrf.token_of(secret.encode()), "flash": "", **values}
        return Answer(self.services.templates.render(template, **given), code, HTML)

    def get(self, path: str, page: Page) -> Route:
        """Returns the route of a page that shows something. Its handler answers HEAD as well."""
        return Route("GET", path, partial(self._show, page))

    def post(self, path: str, page: Page, longest: int = LONGEST_FORM) -> Route:
        """Returns the route of a page that takes a form of up to ``longest`` octets.

        The page is called only where the form has the session's token and was sent from a page of ours.
        """
        return Route("POST", path, partial(self._take, page), longest)

    def put(self, path: str, page: Page, longest: int) -> Route:
        """Returns the route of what takes an upload of up to ``longest`` octets from a script, in pieces as it comes.

        The page is called only where the script sent the session's token and runs in a page of ours. Errors are told as
        text.
        """
        return Route("PUT", path, partial(self._take, page), longest, guards=DATA, pieces=True)

    async def _show(self, page: Page, asked: Asked) -> Answer | Stream:
        visit = await self._visit(asked)
        if visit is None:
            login = f"{LOGIN}?{urlencode({'next': _asked_for(asked)})}"
            elsewhere = COOKIE not in asked.cookies and is_from_elsewhere(asked)
            return go_on(login) if elsewhere else redirect(login)  # the login goes on to it, or asks who it is
        answer = await page(visit)
        if visit.session.flash and asked.method == "GET" and not by_script(asked) and _is_page(answer):
            await self.services.sessions.flash(visit.secret, "")  # it was said, and the next page says it no more
        return answer

    async def _take(self, page: Page, asked: Asked) -> Answer | Stream:
        visit = await self._visit(asked)
        if visit is None and asked.pieces is not None:
            raise Refused("you are signed out; log in again in another window, and then try again", "forbidden")
        if visit is None:
            return redirect(LOGIN)
        if not csrf.is_ours(asked, visit.secret):
            raise Refused(STALE.rstrip("."), "forbidden")  # the answer ends it
        return await page(visit)

    async def _visit(self, asked: Asked) -> Visit | None:
        secret = asked.cookies.get(COOKIE, "")
        found = await self.services.sessions.find(secret, used=not by_script(asked))
        if found is None or found.session.step:
            return None
        caller = of_administrator(found.who, f"portal, {asked.peer}", asked.peer)
        control = replace(self.services.control, caller=caller)
        return Visit(asked, control, found.session, found.who, secret, self.services)


def by_script(asked: Asked) -> bool:
    """Says whether it is a script of a page that asks: nobody may have looked at the page."""
    return asked.header("sec-fetch-dest") == "empty"


def _is_page(answer: Answer | Stream) -> bool:
    """Whether somebody reads it: no file, and not the way to another page."""
    return isinstance(answer, Answer) and answer.code < http.MULTIPLE_CHOICE and answer.content_type == HTML


def own_path(text: str) -> str:
    """Returns a path of the portal that a client has named, for it to go on to; the first page where it is none.

    No other site may be reached by it, however a browser reads it.
    """
    return text if _OWN_PATH.fullmatch(text) and "//" not in text and ".." not in text else HOME


def with_secret(answer: Answer, secret: str, services: PortalServices) -> Answer:
    """Returns the answer with a cookie that keeps the secret of a session; an empty one is taken away."""
    lasts = services.sessions.kind.lasts // SECOND
    name, value = set_cookie(COOKIE, secret, max_age=lasts) if secret else clear_cookie(COOKIE)
    return replace(answer, fields={**answer.fields, name: value})


def refused_at(refused: Refused) -> str:
    """Returns why something was refused as a sentence, which stands at the field that is wrong."""
    return explained(refused)[1]


def at_field(refused: Refused, *fields: str, **called: str) -> dict[str, str]:
    """Returns why a form was refused, as a sentence by the field of it that is wrong.

    ``called`` says how arguments are called in the form, and ``fields`` are called alike there. The first of all is it
    where the refusal is about none of them.
    """
    every = (*called.values(), *fields)
    setting = refused.field.removeprefix("settings.")
    field = called.get(setting, setting)
    return {field if field in every else every[0]: refused_at(refused)}


def _asked_for(asked: Asked) -> str:
    """The path that was asked for with its query, to come back to it."""
    return own_path(asked.target)
