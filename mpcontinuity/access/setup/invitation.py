"""The page of an invitation, ``/invite/SECRET``: it shows a form, which sets the user's password by using the link up.

To open it changes nothing, since programs that check mail for bad links open each. Whoever has the link acts as its
user, for this one operation; the secret is in no log, and a browser tells it to nobody (web/headers.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.access.setup.guide import values
from mpcontinuity.access.setup.services import SetupServices, render
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
from mpcontinuity.model.texts import marked
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import Answer, explained
from mpcontinuity.web.asked import Asked

# A form has the password twice; four octets of UTF-8 are twelve of a form; and there is room for the user's address.
LONGEST_FORM: Final = 2 * 12 * MAX_LENGTH + 2048

_WHO: Final = digest_of("an invitation")  # what wrong links are counted by: whose it would be, nobody can tell
_NONE: Final = marked(
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
        return found if isinstance(found, Answer) else self._form(asked, found)

    async def take(self, asked: Asked) -> Answer:
        """Takes the form: sets the password and leads to the mail, where the user is signed in, or says what is wrong;
        then nothing is changed."""
        found = await self._holder(asked)
        if isinstance(found, Answer):
            return found
        password = asked.form.get("password")
        if password != asked.form.get("again"):
            return self._form(asked, found, asked.language.said("The two passwords are not the same."))
        try:
            await self._set(found, password, asked)
        except Refused as refused:
            return (
                self._form(asked, found, explained(refused, asked.language)[1])
                if refused.kind == "invalid"
                else _gone(asked, refused)
            )
        except Temporary:
            return _later(asked)
        # It counts for this password alone: where somebody else sets another one meanwhile, it is void.
        return await self._enter(asked, replace(found, password_changes=found.password_changes + 1))

    async def _holder(self, asked: Asked) -> User | Answer:
        services = self._services
        look = partial(services.control.store.read, partial(invitations.opened, token=asked.parts["token"]))
        try:
            user = await services.judge.judge(_WHO, asked.parts["token"], asked.peer, look, self.outcomes)
        except Refused as refused:
            return _gone(asked, refused)
        except Temporary:
            return _later(asked)
        return user or _said(asked, asked.language.said(_NONE), http.NOT_FOUND)

    async def _set(self, user: User, password: str, asked: Asked) -> None:
        domain = parse(user.address).domain
        holder = Caller(user.address, domain, user.address, f"invitation, {asked.peer}")
        control = replace(self._services.control, caller=holder)
        arguments = {"address": user.address, "password": password, "token": asked.parts["token"]}
        await OPERATIONS["user password"](control, arguments)

    def _form(self, asked: Asked, user: User, error: str = "") -> Answer:
        return render(
            asked,
            "invitation.html",
            http.BAD_REQUEST if error else http.OK,
            error=error,
            address=user.address,
            domain=parse(user.address).domain,
            host=public.host(self._services.control.settings),
            shortest=SHORTEST_CHOSEN,
            longest=MAX_LENGTH,
        )

    async def _enter(self, asked: Asked, user: User) -> Answer:
        """Another site that has a link of its own could send the form, and sign the browser in to an account of its
        choice; so that is done for a form of our own page alone."""
        if csrf.same_origin(asked):
            try:
                return await self._services.enter(asked, user)
            except Temporary:  # the password is set all the same
                pass
        return render(asked, "invitation_done.html", values=values(self._services.control.settings, user.address))


def _gone(asked: Asked, refused: Refused) -> Answer:
    return _said(asked, explained(refused, asked.language)[1], http.GONE)


def _later(asked: Asked) -> Answer:
    text = marked("This cannot be done now. Please try again in some minutes.")
    return _said(asked, asked.language.said(text), http.SERVICE_UNAVAILABLE)


def _said(asked: Asked, sentence: str, code: int) -> Answer:
    return render(asked, "said.html", code, title=asked.language.said("Set your password"), sentence=sentence)
