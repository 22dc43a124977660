"""What every page of webmail has: the user who is signed in, their folders, and guarded forms.

A page is a coroutine function of a `Visit`. `Webmail` makes a route of it, which answers only those who are signed in:
a browser is sent to the login and comes back, a script is answered 401 and keeps what it has. What changes something
counts only with the token of its own session, and from our own pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.access.webmail import dates
from mpcontinuity.access.webmail.sentence import absence, sentence
from mpcontinuity.access.webmail.services import WebmailServices
from mpcontinuity.accounts import vacation
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.vacation import Vacation
from mpcontinuity.accounts.web_sessions import Session
from mpcontinuity.control.bulletin import Bulletin, bulletin
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operation import Operation
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.mailbox import drafts, mailboxes
from mpcontinuity.mailbox.drafts import Draft
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import INBOX
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND, iso
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.texts import taken
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import HTML, Answer, Stream, explained, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import LoginForm, go_on, is_from_elsewhere, own_path
from mpcontinuity.web.cookies import clear_cookie, set_cookie
from mpcontinuity.web.headers import PAGES, Guards
from mpcontinuity.web.languages import ENGLISH, Language, marked
from mpcontinuity.web.routes import Route
from mpcontinuity.web.templates import Templates

PACKAGE: Final = "mpcontinuity.access.webmail"  # which has the folders templates and static
COOKIE: Final = "mpc_mail"
FORM: Final = LoginForm("mpc_mail_login")
HOME: Final = "/"
LOGIN: Final = "/login"
LONGEST_FORM: Final = 64 * 1024  # octets: a thousand checked boxes and some fields

STALE: Final = marked("This form was not sent from this page, or is out of date. Please try again.")

_EXPLAINED: Final = (Refused, Temporary, Stopping)
_UNDO: Final = "\n"  # stands between what a page says once and what takes it back


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a user who is signed in.

    ``secret`` is that of their ``session``, of which the token of its forms is made. Texts are said in ``language``.
    """

    asked: Asked
    user: User
    session: Session
    secret: str
    services: WebmailServices
    templates: Templates
    language: Language = ENGLISH

    @property
    def csrf(self) -> str:
        """The token of this session's forms."""
        return csrf.token_of(self.secret.encode())

    @property
    def by_script(self) -> bool:
        """Whether a script of our pages asks, which wants a part of a page or the truth about an error."""
        return by_script(self.asked)

    def said(self, text: str, /, **values: Any) -> str:
        """Returns a text in the user's language, with ``values`` put in by name: ``%(name)s``."""
        return self.language.said(text, **values)

    def counted(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Returns the one or the other text in the user's language, as ``number`` wants it: ``%(number)d``."""
        return self.language.counted(one, many, number, **values)

    async def call(self, operation: str | Operation, /, **arguments: Any) -> Any:
        """Calls an operation of the control interface, by its name or one that has none there, in the user's own name
        and for their own address. Raises Refused and Temporary."""
        caller = Caller(
            self.user.address, parse(self.user.address).domain, self.user.address, f"webmail, {self.asked.peer}"
        )
        control = replace(self.services.control, caller=caller)
        called = OPERATIONS[operation] if isinstance(operation, str) else operation
        return await called(control, {"address": self.user.address, **arguments})

    async def folders(self) -> list[MailboxInfo]:
        """Returns the user's mailboxes, in the order in which they are shown: those that everybody has, then by
        name."""
        found = await self.services.control.store.read(partial(mailboxes.listing, account=self.user.id))
        return sorted(found, key=_place)

    @property
    def now(self) -> int:
        """The time in µs."""
        return self.services.control.store.clock.now()

    def short(self, time: int) -> str:
        """Returns a time in µs as a list shows it."""
        return dates.short(self.language, time, self.now)

    def iso(self, time: int) -> str:
        """Returns a time in µs as machines write it."""
        return iso(time)

    @property
    def day_pattern(self) -> str:
        """How a list writes a day, for the script that says times by the clock of the reader."""
        return dates.pattern(self.language)

    @property
    def months(self) -> str:
        """The names of the months, with commas between them, for the same."""
        return dates.months(self.language)

    def full(self, time: int) -> str:
        """Returns a time in µs with its day and year."""
        return dates.full(self.language, time)

    async def folder(self, id_: int | None = None) -> MailboxInfo:
        """Returns a mailbox of the user by its id, that of the path where none is given. Raises Refused where it is
        not theirs."""
        wanted = id_ if id_ is not None else int(self.asked.parts["folder"])
        found = None
        if wanted <= identifier.LAST:  # no larger number is stored
            found = await self.services.control.store.read(partial(mailboxes.by_id, mailbox=wanted))
        if found is None or found.account != self.user.id:
            raise Refused(self.said("There is no such folder"), "unknown")
        return found

    async def inbox(self) -> MailboxInfo:
        """Returns the user's INBOX. Raises MailboxRefused."""
        return await self.services.control.store.read(partial(mailboxes.get, account=self.user.id, name=INBOX))

    async def render(self, template: str, /, code: int = http.OK, **values: Any) -> Answer:
        """Returns a page: a template with ``values``, beside the folders of the user and what is to be said of
        continuity.

        Each is given ``visit``, ``csrf``, ``flash`` and what takes it back (``undo``), ``folders``, ``bulletin``,
        ``unsent`` (drafts that could not be sent), ``sentence``, ``away`` (what is said of the vacation text, empty
        where that is off) and ``here`` (the id of the folder that is open, 0 for none) as well. Raises Temporary.
        """
        folders, told, unsent, away = await self.services.control.store.read(partial(_frame, user=self.user))
        flash, _, undo = self.session.flash.partition(_UNDO)
        given = {
            "here": 0,
            "folders": folders,
            "bulletin": told,
            "unsent": [
                (identifier.show(each.id), each.written.subject, " ".join(map(self.said, taken(each.fault))))
                for each in unsent
            ],
            "sentence": sentence(self.language, told),
            "away": absence(self.language, away, self.now),
            "flash": flash,
            "undo": undo,
        }
        return self.part(template, code, **{**given, **values})

    def part(self, template: str, /, code: int = http.OK, **values: Any) -> Answer:
        """Returns a part of a page, for a script: a template that is given ``visit`` and ``csrf`` beside ``values``."""
        given = {"visit": self, "csrf": self.csrf, **values}
        return Answer(self.templates.render(template, self.language, **given), code, HTML)

    async def done(self, message: str, path: str, undo: str = "") -> Answer:
        """Sends the browser to a page of ours, which says ``message`` at its top, once, and offers to take it back by
        what ``undo`` says, where that is not empty (acting.py)."""
        await self.services.sessions.flash(self.secret, f"{message}{_UNDO}{undo}" if undo else message)
        return redirect(path)


Page = Callable[[Visit], Awaitable[Answer | Stream]]


class Webmail:
    """Makes routes of pages."""

    def __init__(self, services: WebmailServices) -> None:
        self.services = services
        self.templates = Templates(PACKAGE)

    def render(
        self, template: str, secret: str, /, code: int = http.OK, *, language: Language = ENGLISH, **values: Any
    ) -> Answer:
        """Returns a page for somebody who is not signed in yet, and has that secret in the cookie."""
        given = {"visit": None, "csrf": csrf.token_of(secret.encode()), "flash": "", "undo": "", **values}
        return Answer(self.templates.render(template, language, **given), code, HTML)

    def get(self, path: str, page: Page, guards: Guards = PAGES) -> Route:
        """Returns the route of a page that shows something. It answers HEAD as well; ``guards`` are as in `Route`."""
        return Route("GET", path, partial(self._show, page, guards), guards=guards)

    def post(self, path: str, page: Page, longest: int = LONGEST_FORM) -> Route:
        """Returns the route of a page that takes a form of up to ``longest`` octets.

        The page is called only where the form has the session's token and was sent from a page of ours.
        """
        return Route("POST", path, partial(self._take, page, PAGES), longest)

    def put(self, path: str, page: Page, longest: int, guards: Guards = PAGES) -> Route:
        """Returns the route by which a script of our pages sends up to ``longest`` octets, which come in pieces.

        The page is called only where X-CSRF-Token has the session's token.
        """
        return Route("PUT", path, partial(self._take, page, guards), longest, guards, pieces=True)

    async def visit(self, asked: Asked) -> Visit | None:
        """Returns the visit of whoever is signed in; None where nobody is. Raises Temporary."""
        secret = secret_of(asked)
        found = await self.services.sessions.find(secret, used=not by_script(asked))
        if found is None or found.session.step:
            return None
        language = self.services.languages.find(found.who.language) or asked.language
        return Visit(asked, found.who, found.session, secret, self.services, self.templates, language)

    async def _show(self, page: Page, guards: Guards, asked: Asked) -> Answer | Stream:
        visit = await self.visit(asked)
        if visit is None and COOKIE not in asked.cookies and is_from_elsewhere(asked):
            return go_on(login_for(own_path(asked.target)), asked.language)  # which goes on to it, or asks who it is
        if visit is None:
            return signed_out(asked, own_path(asked.target))
        try:
            answer = await page(visit)
        except _EXPLAINED as error:
            return _explanation(error, visit, guards)
        if visit.session.flash and asked.method == "GET" and not visit.by_script and _is_page(answer):
            await self.services.sessions.flash(visit.secret, "")  # it was said, and the next page says it no more
        return answer

    async def _take(self, page: Page, guards: Guards, asked: Asked) -> Answer | Stream:
        visit = await self.visit(asked)
        if visit is None:
            return signed_out(asked, HOME)
        if not csrf.is_ours(asked, visit.secret):
            return guards.explain(http.FORBIDDEN, visit.said(STALE), visit.language)
        try:
            return await page(visit)
        except _EXPLAINED as error:
            return _explanation(error, visit, guards)


def _explanation(error: Refused | Temporary | Stopping, visit: Visit, guards: Guards) -> Answer:
    """Why a page cannot answer, in the language of the user, which the request alone does not know."""
    code, sentence = explained(error, visit.language)
    return guards.explain(code, sentence, visit.language)


def _is_page(answer: Answer | Stream) -> bool:
    """Whether somebody reads it: no file, and not the way to another page. That a message is gone is read too."""
    redirects = http.MULTIPLE_CHOICE <= answer.code < http.BAD_REQUEST if isinstance(answer, Answer) else True
    return isinstance(answer, Answer) and not redirects and answer.content_type == HTML


def by_script(asked: Asked) -> bool:
    """Says whether a script of a page asks, and no navigation of a browser
    (https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header)."""
    return asked.header("sec-fetch-dest") == "empty"


def secret_of(asked: Asked) -> str:
    """Returns the secret of the session, as the browser's cookie has it; empty where there is none."""
    return asked.cookies.get(COOKIE, "")


def signed_out(asked: Asked, onward: str) -> Answer:
    """Returns the answer for a browser where nobody is signed in: a script hears it, everybody else goes to the login
    and from there to ``onward``."""
    if by_script(asked):
        return Answer(b"Nobody is signed in here.\n", http.UNAUTHORIZED)
    return redirect(login_for(onward))


def login_for(onward: str) -> str:
    """Returns the path of the login that leads to ``onward``."""
    return LOGIN if onward == HOME else f"{LOGIN}?{urlencode({'next': onward})}"


def with_secret(answer: Answer, secret: str, services: WebmailServices) -> Answer:
    """Returns the answer with a cookie that keeps the secret of a session; an empty one is taken away."""
    lasts = services.sessions.kind.lasts // SECOND
    name, value = set_cookie(COOKIE, secret, max_age=lasts) if secret else clear_cookie(COOKIE)
    fields: Mapping[bytes, bytes] = {**answer.fields, name: value}
    return replace(answer, fields=fields)


_STANDARD: Final = {use: place for place, use in enumerate(("\\Drafts", "\\Sent", "\\Archive", "\\Junk", "\\Trash"), 1)}


def _frame(tx: Transaction, user: User) -> tuple[list[MailboxInfo], Bulletin, list[Draft], Vacation]:
    """What stands on every page, by one read."""
    folders = sorted(mailboxes.listing(tx, user.id), key=_place)
    away = vacation.find(tx, user.id) if user.vacation else _AT_WORK
    return folders, bulletin(tx, user), drafts.failed(tx, user.id), away


_AT_WORK: Final = Vacation()


def _place(info: MailboxInfo) -> tuple[int, str]:
    first = 0 if info.name == INBOX else _STANDARD.get(info.use, len(_STANDARD) + 1)
    return first, info.name.casefold()
