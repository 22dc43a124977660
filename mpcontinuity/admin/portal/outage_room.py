"""The outage room of a domain, ``/admin/domain/DOMAIN/outage``: what happened, what users and senders notice, what to
tell them, and what can be done.
"""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.alert_link import DURATIONS
from mpcontinuity.admin.portal.domain import PATH, path_of
from mpcontinuity.admin.portal.figures import flow_panels
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.model import public
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PAGE: Final = f"{PATH}{public.OUTAGE_ROOM}"
_NEWEST: Final = 12  # things that happened, shown at once; the others are behind them
_EARLIER: Final = 20  # outages
_LONGEST_TELLING: Final = 256 * 1024  # octets of a form: a text of 10,000 characters, each of up to 12, and more


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PAGE, show),
        portal.post(f"{PAGE}/act", act),
        portal.post(f"{PAGE}/tell", tell, _LONGEST_TELLING),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None, code: int = http.BAD_REQUEST) -> Answer:
    """Shows the present or last outage, or the one that the query names; ``errors`` are sentences by the field."""
    name = visit.asked.parts["domain"]
    # The part that renews itself has no chart, of which each hour costs a look.
    given = {"hours": 0} if visit.by_script else {}
    room = await visit.call("outage room", domain=name, id=visit.asked.query.get("id") or None, **given)
    rows = await visit.call("outage list", domain=name, limit=_EARLIER)
    going_on = any(row.ended is None for row in rows)
    acts = ["extend", "stop"] if room.status.mode == "enabled" else ["start"]
    return visit.render(
        "outage_room.html",
        code if errors else http.OK,
        name=room.domain,
        room=room,
        newest=_NEWEST,
        host=public.host(visit.control.settings),
        going_on=going_on,
        acts=[*acts, *(["snooze"] if going_on else [])],
        durations=DURATIONS,
        earlier=[row for row in rows if room.outage is None or row.id != room.outage.id],
        panels=flow_panels(room.hours) if room.hours else [],
        typed=visit.asked.form,
        errors=errors or {},
    )


async def act(visit: Visit) -> Answer:
    """Declares an outage, extends or ends it, or silences the mails about it."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    try:
        done = await visit.call("outage act", domain=name, act=form.get("act"), lasts=form.get("lasts", "4h"))
    except Refused as refused:
        if refused.kind in ("forbidden", "unknown"):
            raise
        return await show(visit, {"act": refused_at(refused)})
    return await visit.done(f"{done.done[:1].upper()}{done.done[1:]}.", path_of(name, public.OUTAGE_ROOM))


async def tell(visit: Visit) -> Answer:
    """Tells all users of the domain a text, past their home server."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    try:
        told = await visit.call("domain tell", name=name, subject=form.get("subject"), text=form.get("text"))
    except Refused as refused:
        if refused.kind in ("forbidden", "unknown"):
            raise
        return await show(visit, at_field(refused, "subject", "text"))
    said = f"It is in the INBOX of {told.users} users, and on its way to {told.mails} other addresses of theirs."
    return await visit.done(said, path_of(name, public.OUTAGE_ROOM))
