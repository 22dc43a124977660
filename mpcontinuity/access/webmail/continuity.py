"""What a user does about continuity: opts in or out, and sets up a telephone."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from mpcontinuity.access.webmail.signed_in import HOME, Visit, Webmail
from mpcontinuity.model import public
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.before_login import own_path
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

_SET_UP: Final = "/setup/phone"  # of the pages for people who begin


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [webmail.post("/continuity", choose), webmail.get("/phone", phone)]


async def choose(visit: Visit) -> Answer:
    """Opts the user in or out, where the mode of their domain leaves it to them."""
    on = visit.asked.form.get("on") == "1"
    onward = own_path(visit.asked.form.get("next") or HOME)
    await visit.call("user continuity", on=on)
    if on:
        return await visit.done(visit.said("From now on your mail is copied to this mailbox as well."), onward)
    return await visit.done(visit.said("From now on your mail comes here in an outage only."), onward)


async def phone(visit: Visit) -> Answer:
    """Shows the way to set up a telephone: its camera scans the page that does the rest there."""
    path = f"{_SET_UP}?{urlencode({'address': visit.user.address})}"
    url = public.url(visit.services.control.settings, path)
    return await visit.render("phone.html", path=path, qr=drawn(url) if url is not None else "")
