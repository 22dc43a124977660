"""``/language``: a browser in which nobody is signed in keeps the language that its reader has chosen.

The form has no token, since there is no session that it could be made for. Browsers say from which page it was sent,
and all that it changes is the language of that browser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import marked
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.cookies import clear_cookie, set_cookie
from mpcontinuity.web.languages import COOKIE, Language, Languages

PATH: Final = "/language"
LONGEST: Final = 32 * 1024  # octets of a form: a code, and a path
_LASTS: Final = 400 * DAY // SECOND  # s: browsers keep no cookie for longer

_FOREIGN: Final = marked("the form was not sent from this page: please try again")
_UNKNOWN: Final = marked("there is no such language here")


def kept(answer: Answer, language: Language | None) -> Answer:
    """Returns the answer, which has the browser keep a language, or forget the one that it keeps."""
    name, value = set_cookie(COOKIE, language.code, max_age=_LASTS) if language else clear_cookie(COOKIE)
    return replace(answer, fields={**answer.fields, name: value})


class LanguageChoice:
    """The page of one site."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages

    async def take(self, asked: Asked) -> Answer:
        """Takes the choice, and goes back to the page where it was made."""
        if not csrf.same_origin(asked):
            raise Refused(_FOREIGN, "forbidden")
        language = self._languages.find(asked.form.get("language"))
        if language is None:
            raise Refused(_UNKNOWN)
        return kept(redirect(own_path(asked.form.get("next"))), language)
