"""Browsers in which nobody is signed in, or that do not say who: the form of a login, and a link from elsewhere.

Cookies of ours come with requests from our own pages alone (SameSite=Strict). So a browser that follows a link of
another site, or of a stranger's message in its frame, which is an origin of its own, looks as if nobody were signed in.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from typing import Final

from twisted.web import http

from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import HTML, Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.cookies import set_cookie
from mpcontinuity.web.languages import ENGLISH, Language
from mpcontinuity.web.templates import look

_LASTS: Final = DAY // SECOND  # s: a page with the form stays open over a night
_OCTETS: Final = 32  # of randomness, as in the secret of a session
# A path that is gone on to: an address in a message may name a text that is to be written, in 4,096 characters.
_OWN_PATH: Final = re.compile(r"/[A-Za-z0-9._~%?&=+@/:,-]{0,4200}")


@dataclass(frozen=True, slots=True)
class LoginForm:
    """The form by which somebody logs in. Its token is made of a secret in ``cookie``, which only that browser has: so
    no other site logs it in to an account of its choice.

    That is another cookie than the session's: a form that is shown to a browser whose session did not come with the
    request must not put anything in the session's place.
    """

    cookie: str

    def secret(self, asked: Asked, randomness: Randomness) -> str:
        """Returns the secret of that browser, a new one where it has none."""
        fresh = base64.urlsafe_b64encode(randomness.bytes(_OCTETS)).decode().rstrip("=")
        return asked.cookies.get(self.cookie) or fresh

    def is_ours(self, asked: Asked) -> bool:
        """Says whether the form was sent from a page of ours in that browser."""
        return csrf.is_ours(asked, asked.cookies.get(self.cookie, ""))

    def kept(self, page: Answer, secret: str) -> Answer:
        """Returns a page with the form, and has the browser keep its secret."""
        name, value = set_cookie(self.cookie, secret, max_age=_LASTS)
        return replace(page, fields={**page.fields, name: value})


def own_path(text: str) -> str:
    """Returns a path of this server that a client has named, for it to go on to; the first page where it is none.

    No other site may be reached by it, however a browser reads it.
    """
    path = text.partition("?")[0]
    return text if _OWN_PATH.fullmatch(text) and "//" not in path and ".." not in path else "/"


def is_from_elsewhere(asked: Asked) -> bool:
    """Says whether somebody comes by a link of another site, or of a message's frame: the browser has then kept to
    itself whose session it has (https://www.w3.org/TR/fetch-metadata/). Older browsers do not say so."""
    return (
        asked.method in ("GET", "HEAD")
        and asked.header("sec-fetch-site") == "cross-site"
        and asked.header("sec-fetch-mode") == "navigate"
        and asked.header("sec-fetch-dest") == "document"
    )


def go_on(path: str, language: Language = ENGLISH) -> Answer:
    """Returns a page of ours that goes on to ``path`` by itself, without a script: since a page of ours asks then, the
    browser says who is signed in.

    What ``path`` answers must not be this page again, whatever the browser says of itself.
    """
    return Answer(look().render("go_on.html", language, path=path), http.OK, HTML)
