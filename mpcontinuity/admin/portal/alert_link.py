"""The page of an alert's link, ``/outage/SECRET``: whoever got the mail steers an outage for a day, without a login.

The secret in the path is the right to do so. To open the page changes nothing, since programs that check mail for bad
links open each; what is done is a form, whose use the audit trail notes (control/outages.py). The secret is in no log,
and a browser tells it to no other site (web/headers.py).
"""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.accounts.links import ALERT
from mpcontinuity.admin.portal.signed_in import STALE, Portal, refused_at
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.outages import LinkShown
from mpcontinuity.model.errors import Refused
from mpcontinuity.web import csrf
from mpcontinuity.web.answers import CODES, Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route

PATH: Final = f"{ALERT.path}<token>"
LONGEST_FORM: Final = 1024  # octets: two short words and a duration

# What can be chosen without typing, on a phone.
DURATIONS: Final = (("1h", "an hour"), ("4h", "4 hours"), ("12h", "12 hours"), ("1d", "a day"), ("3d", "3 days"))


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page, which nobody has to be signed in for."""
    page = _AlertLink(portal)
    return [Route("GET", PATH, page.show), Route("POST", PATH, page.take, LONGEST_FORM)]


class _AlertLink:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def show(self, asked: Asked) -> Answer:
        """Shows what the link is about, and a form for each thing that can be done now."""
        try:
            link = await self._link(asked)
        except Refused as refused:
            return self._not_good(asked, refused)
        return self._page(asked, link)

    async def take(self, asked: Asked) -> Answer:
        """Does what the form says, and shows how things are then."""
        if not csrf.same_origin(asked) or not csrf.is_right(_secret(asked).encode(), asked.form.get("csrf")):
            raise Refused(STALE.rstrip("."), "forbidden")
        try:
            link = await self._link(asked)
        except Refused as refused:
            return self._not_good(asked, refused)
        arguments = {"act": asked.form.get("act"), "lasts": asked.form.get("lasts", "4h")}
        try:
            caller = _caller(asked, link.domain)
            done = await self._portal.call(caller, "outage redeem", token=_secret(asked), **arguments)
        except Refused as refused:
            return self._page(asked, link, error=refused_at(refused), code=CODES[refused.kind])
        sentence = f"{done.done[:1].upper()}{done.done[1:]}."
        return self._page(asked, await self._link(asked), done=sentence)

    async def _link(self, asked: Asked) -> LinkShown:
        found = await self._portal.call(_caller(asked, None), "outage link", token=_secret(asked))
        assert isinstance(found, LinkShown)
        return found

    def _page(self, asked: Asked, link: LinkShown, *, done: str = "", error: str = "", code: int = http.OK) -> Answer:
        goes_on = link.outage is not None and link.outage.ended is None
        acts = ["extend", "stop"] if link.declared else ["start"]
        return self._portal.render(
            "alert_link.html",
            _secret(asked),
            code,
            link=link,
            acts=[*acts, *(["snooze"] if goes_on else [])],
            durations=DURATIONS,
            done=done,
            error=error,
        )

    def _not_good(self, asked: Asked, refused: Refused) -> Answer:
        error = refused_at(refused)
        return self._portal.render("alert_link_gone.html", _secret(asked), http.GONE, error=error)


def _secret(asked: Asked) -> str:
    return asked.parts["token"]


def _caller(asked: Asked, domain: str | None) -> Caller:
    return Caller("a link in an alert", domain, None, f"alert's page, {asked.peer}")
