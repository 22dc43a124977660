"""What a user settles for themselves: their password, where they are signed in, and the passwords of their devices.

Whoever changes the password has to know the present one: a browser that was left open is not enough. The change ends
every session; the browser in which it was done goes on by a new one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail, with_secret
from mpcontinuity.access.webmail.signing_in import begin
from mpcontinuity.accounts import app_passwords, user_factors, web_sessions
from mpcontinuity.accounts.app_passwords import AppPassword
from mpcontinuity.accounts.user_factors import UserFactor
from mpcontinuity.accounts.user_login import next_step
from mpcontinuity.accounts.web_sessions import Kind, Session
from mpcontinuity.control.users import SHORTEST_CHOSEN
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import Answer, explained
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

SETTINGS: Final = "/settings/"

_NOT_THE_SAME: Final = marked("The two new passwords are not the same.")
WRONG: Final = marked(
    "This is not your password, and nothing was changed. After too many wrong ones from your network none is taken for "
    "a quarter of an hour. An app password does not count here."
)
_NO_SESSION: Final = marked("You are not signed in there any more.")
_NO_APP_PASSWORD: Final = marked("There is no such app password any more.")

# What browsers call themselves, the telling word first: most name Chrome and Safari as well.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Macintosh", "Mac"),
    ("Windows", "Windows"),
    ("Linux", "Linux"),
)


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [
        webmail.get(SETTINGS, show),
        webmail.post(f"{SETTINGS}password", change_password),
        webmail.post(f"{SETTINGS}sessions/end", end_session),
        webmail.post(f"{SETTINGS}sessions/end-others", end_others),
        webmail.post(f"{SETTINGS}app-passwords/revoke", revoke),
    ]


def browser(visit: Visit, agent: str) -> str:
    """Returns what a browser is called, by its User-Agent, in the language of the visit."""
    name, system = _named(_BROWSERS, agent), _named(_SYSTEMS, agent)
    if name and system:
        return visit.said("%(browser)s on %(system)s", browser=name, system=system)
    return name or system or visit.said("A browser of another kind")


async def show(visit: Visit) -> Answer:
    """Shows all settings."""
    return await _page(visit)


async def change_password(visit: Visit) -> Answer:
    """Takes the present password, and a new one twice."""
    form = visit.asked.form
    old, new = form.get("current"), form.get("password")
    if len(new) < SHORTEST_CHOSEN:
        short = visit.said("It is too short. Take at least %(number)d characters.", number=SHORTEST_CHOSEN)
        return await _wrong(visit, password=short)
    if new != form.get("again"):
        return await _wrong(visit, again=visit.said(_NOT_THE_SAME))
    user = await visit.services.login.check(visit.user.address, old, visit.asked.peer, code_follows=True)
    if user is None or user.id != visit.user.id:
        return await _wrong(visit, current=visit.said(WRONG))
    try:
        await visit.call("user password", password=new)
    except Refused as refused:
        return await _wrong(visit, password=explained(refused, visit.language)[1])
    # It counts for the password of this change alone: where somebody else sets another one meanwhile, it is void.
    changed = replace(user, password_changes=user.password_changes + 1)
    secret = await begin(visit.services, visit.asked, changed, step=partial(_unproved, visit=visit))
    again = replace(visit, secret=secret)
    message = visit.said("Your password is changed. All other browsers are signed out.")
    return with_secret(await again.done(message, SETTINGS), secret, visit.services)


def _unproved(tx: Transaction, visit: Visit) -> str:
    """What is to be asked of whoever has changed the password: a second factor that was turned on since they signed in
    ended that session, and no new one comes of it by the password alone."""
    since = user_factors.find(tx, visit.user.id).since
    return next_step(tx, visit.user.id) if since > visit.session.created else ""


async def end_session(visit: Visit) -> Answer:
    """Signs the user out in another browser."""
    id_, kind = _id(visit), visit.services.sessions.kind
    work = partial(web_sessions.end_one, kind=kind, whose=str(visit.user.id), session=id_)
    if not await visit.services.control.store.run(work):
        return await _page(visit, http.NOT_FOUND, errors={"sessions": visit.said(_NO_SESSION)})
    return await visit.done(visit.said("You are signed out there."), SETTINGS)


async def end_others(visit: Visit) -> Answer:
    """Signs the user out in all browsers but this one."""
    work = partial(_end_others, kind=visit.services.sessions.kind, session=visit.session)
    await visit.services.control.store.run(work)
    return await visit.done(visit.said("You are signed out everywhere else."), SETTINGS)


async def revoke(visit: Visit) -> Answer:
    """Ends the app password of a device."""
    try:
        await visit.call("user app-password remove", id=visit.asked.form.get("id"))
    except Refused:
        return await _page(visit, http.NOT_FOUND, errors={"app": visit.said(_NO_APP_PASSWORD)})
    return await visit.done(visit.said("That device cannot log in any more."), SETTINGS)


class _Theirs(NamedTuple):
    """The sessions of a user, this one first, the passwords of their devices, and their second factor."""

    sessions: list[Session]
    devices: list[AppPassword]
    factor: UserFactor


async def _wrong(visit: Visit, **errors: str) -> Answer:
    return await _page(visit, http.BAD_REQUEST, errors=errors)


async def _page(visit: Visit, code: int = http.OK, **values: Any) -> Answer:
    kind = visit.services.sessions.kind
    theirs = await visit.services.control.store.read(partial(_theirs, kind=kind, session=visit.session))
    given = {"errors": {}, "shortest": SHORTEST_CHOSEN, "browser": partial(browser, visit), "id": identifier.show}
    return await visit.render("settings.html", code, **theirs._asdict(), **{**given, **values})


def _theirs(tx: Transaction, kind: Kind, session: Session) -> _Theirs:
    found = web_sessions.listing(tx, kind, session.whose, limit=kind.most)
    found.sort(key=lambda each: each.id != session.id)
    account = int(session.whose)
    return _Theirs(found, app_passwords.listing(tx, account), user_factors.find(tx, account))


def _end_others(tx: Transaction, kind: Kind, session: Session) -> None:
    for each in web_sessions.listing(tx, kind, session.whose, limit=kind.most):
        if each.id != session.id:
            web_sessions.end_one(tx, kind, session.whose, each.id)


def _id(visit: Visit) -> int:
    """That of the form; 0, which nothing has, where it is none."""
    try:
        return identifier.parse(visit.asked.form.get("id"))
    except ValueError:
        return 0


def _named(words: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for word, name in words if word in agent), "")
