"""The page of an invitation, ``/invite/SECRET``: it shows a form, which sets the user's password by using the link up.

To open it changes nothing, since programs that check mail for bad links open each. Whoever has the link acts as its
user, for this one operation; the secret is in no log, and a browser tells it to nobody (web/headers.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from html import escape
from typing import Final

from twisted.web import http

from mpcontinuity.access.setup.html import page, paragraph
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.accounts import invitations
from mpcontinuity.accounts.passwords import MAX_LENGTH
from mpcontinuity.accounts.throttle import digest_of
from mpcontinuity.accounts.users import User
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.users import SHORTEST_CHOSEN
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked

# A form has the password twice; four octets of UTF-8 are twelve of a form; and there is room for the user's address.
LONGEST_FORM: Final = 2 * 12 * MAX_LENGTH + 2048

_WHO: Final = digest_of("an invitation")  # what wrong links are counted by: whose it would be, nobody can tell
_TITLE: Final = "Set your password"
_NONE: Final = (
    "There is no such invitation. Open the whole link from the mail, or ask for a new one. If too many wrong links "
    "were opened from your network, wait a quarter of an hour."
)


class InvitationPage:
    """The page and its form, for all users."""

    def __init__(self, services: SetupServices) -> None:
        self._services = services
        self.outcomes: Counter[str] = Counter(succeeded=0, failed=0, throttled=0)

    async def show(self, asked: Asked) -> Answer:
        """Answers with the form, or says why the link is not good."""
        found = await self._holder(asked)
        return found if isinstance(found, Answer) else self._form(found)

    async def take(self, asked: Asked) -> Answer:
        """Takes the form: sets the password and says where the mail is, or says what is wrong; then nothing is
        changed."""
        found = await self._holder(asked)
        if isinstance(found, Answer):
            return found
        password = asked.form.get("password")
        if password != asked.form.get("again"):
            return self._form(found, "The two passwords are not the same.")
        try:
            await self._set(found, password, asked)
        except Refused as refused:
            return self._form(found, _sentence(refused)) if refused.kind == "invalid" else _gone(refused)
        except Temporary:
            return _later()
        return self._done(found)

    async def _holder(self, asked: Asked) -> User | Answer:
        services = self._services
        look = partial(services.control.store.read, partial(invitations.opened, token=asked.parts["token"]))
        try:
            user = await services.judge.judge(_WHO, asked.parts["token"], asked.peer, look, self.outcomes)
        except Refused as refused:
            return _gone(refused)
        except Temporary:
            return _later()
        return user or page(_TITLE, paragraph(_NONE, "error"), http.NOT_FOUND)

    async def _set(self, user: User, password: str, asked: Asked) -> None:
        domain = parse(user.address).domain
        holder = Caller(user.address, domain, user.address, f"invitation, {asked.peer}")
        control = replace(self._services.control, caller=holder)
        arguments = {"address": user.address, "password": password, "token": asked.parts["token"]}
        await OPERATIONS["user password"](control, arguments)

    def _form(self, user: User, error: str = "") -> Answer:
        host = public.host(self._services.control.settings)
        domain = parse(user.address).domain
        about = (
            f"It is for your mail at {host}, where you read and send mail while the mail server of {domain} is away."
        )
        shown = f'value="{escape(user.address)}" autocomplete="username" readonly'
        field = 'type="password" autocomplete="new-password" required'
        field += f' minlength="{SHORTEST_CHOSEN}" maxlength="{MAX_LENGTH}"'
        return page(
            _TITLE,
            "\n".join(
                [
                    *([paragraph(error, "error")] if error else []),
                    paragraph(about),
                    '<form method="post">',
                    '<label for="address">Address</label>',
                    f'<input id="address" name="address" {shown}>',
                    f'<label for="password">Password, at least {SHORTEST_CHOSEN} characters</label>',
                    f'<input id="password" name="password" {field}>',
                    '<label for="again">The same again</label>',
                    f'<input id="again" name="again" {field}>',
                    '<button type="submit">Set password</button>',
                    "</form>",
                ]
            ),
            http.BAD_REQUEST if error else http.OK,
        )

    def _done(self, user: User) -> Answer:
        places = public.places(self._services.control.settings)
        rows = [("User name", user.address)]
        rows += [(each.protocol, f"{each.host}, port {each.port}, {each.security}") for each in places]
        table = "".join(f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>\n" for name, value in rows)
        text = "From now on you can log in with it. A mail program needs these settings:"
        return page("Your password is set", f"{paragraph(text)}\n<table>\n{table}</table>")


def _sentence(refused: Refused) -> str:
    text = str(refused)
    return f"{text[0].upper()}{text[1:]}."


def _gone(refused: Refused) -> Answer:
    return page(_TITLE, paragraph(_sentence(refused), "error"), http.GONE)


def _later() -> Answer:
    text = "This cannot be done now. Please try again in some minutes."
    return page(_TITLE, paragraph(text, "error"), http.SERVICE_UNAVAILABLE)
