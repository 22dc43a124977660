"""The page ``/setup``: how each mail program is set up, with the very values to type or copy."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlencode

from mpcontinuity.access.setup.services import SetupServices, render
from mpcontinuity.model import public
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.public import Place
from mpcontinuity.model.settings import Settings
from mpcontinuity.model.texts import again, marked
from mpcontinuity.protocols.discovery import mobileconfig, useragent
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

PHONE: Final = f"{useragent.SETUP}/phone"
_YOURS: Final = marked("your address")


class Values(NamedTuple):
    """What a mail program has to know: the ``user`` name, and the ``places`` where mail is read and sent."""

    user: str
    places: list[Place]


class Guide:
    """The page, for everybody: it looks no address up."""

    def __init__(self, services: SetupServices) -> None:
        self._settings = services.control.settings
        phone = public.url(self._settings, PHONE)
        self._qr = drawn(phone) if phone is not None else ""  # it is the same for all, and takes milliseconds

    def routes(self) -> list[Route]:
        """Returns the route of this page."""
        return [Route("GET", useragent.SETUP, self.show)]

    async def show(self, asked: Asked) -> Answer:
        """Shows all values, with the address of whoever has typed it."""
        given = asked.query.get("email").strip()
        address, error = "", ""
        if given:
            try:
                address = parse(given).text
            except BadAddress as bad:
                text = marked("This is not a mail address: %(why)s.")
                error = asked.language.said(text, why=again(bad.args[0]))
        return render(
            asked,
            "setup.html",
            host=public.host(self._settings),
            given=given,
            error=error,
            address=address,
            values=values(self._settings, address or asked.language.said(_YOURS)),
            profile=profile_path(address) if address else "",
            phone=PHONE,
            qr=self._qr,
        )


def values(settings: Settings, address: str) -> Values:
    """Returns what a mail program of the user with that address has to know."""
    return Values(address, public.places(settings))


def profile_path(address: str) -> str:
    """Returns the path of the profile for Apple's devices."""
    return f"{mobileconfig.PATH}?{urlencode({'email': address})}"
