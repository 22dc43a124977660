"""What the pages for people who begin, and for their mail programs, are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from twisted.web import http

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import WebSessions
from mpcontinuity.control.operation import Control
from mpcontinuity.web.answers import HTML, Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupServices:
    """The parts of the server that the pages use.

    ``control`` is what operations work with; each page says who calls them. ``judge`` makes guessing slow, as for
    passwords. ``login`` logs users in, ``sessions`` knows in which browsers they set up a device, and ``directory``
    which domains are here. ``enter`` signs a user in to webmail who has just set the password.
    """

    control: Control
    judge: Judge
    login: UserLogin
    directory: Directory
    sessions: WebSessions[User]
    enter: Callable[[Asked, User], Awaitable[Answer]]


def render(asked: Asked, template: str, code: int = http.OK, **values: Any) -> Answer:
    """Returns a page in the language of whoever asks: a template of this package with ``values``.

    ``again`` is the path to which the choice of another language leads back; that of the page where none is given.
    """
    given = {"again": asked.path, **values}
    return Answer(_templates().render(template, asked.language, **given), code, HTML)


@cache
def _templates() -> Templates:
    return Templates("mpcontinuity.access.setup")
