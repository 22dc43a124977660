"""The page where a user says in which language they read pages."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.accounts import users
from mpcontinuity.web import language_choice
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

LANGUAGE: Final = "/settings/language"

_UNKNOWN: Final = marked("There is no such language here. Choose one of these.")
_SAVED: Final = marked("Your language is saved.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [webmail.get(LANGUAGE, show), webmail.post(LANGUAGE, save)]


async def show(visit: Visit) -> Answer:
    """Shows the form."""
    return await _page(visit, chosen=visit.user.language)


async def save(visit: Visit) -> Answer:
    """Takes the form. The browser keeps the language as well: for the page where the user signs in again."""
    code = visit.asked.form.get("language")
    language = visit.services.languages.find(code)
    if code and language is None:
        return await _page(visit, http.BAD_REQUEST, chosen="", error=visit.said(_UNKNOWN))
    await visit.services.control.store.run(partial(users.set_language, user=visit.user, language=code))
    spoken = language or visit.services.languages.of("", visit.asked.header("accept-language"))
    return language_choice.kept(await visit.done(spoken.said(_SAVED), LANGUAGE), language)


async def _page(visit: Visit, code: int = http.OK, **values: Any) -> Answer:
    choices = [("", visit.said("As my browser wishes")), *((one.code, one.name) for one in visit.services.languages)]
    return await visit.render("language.html", code, **{"choices": choices, "error": "", **values})
