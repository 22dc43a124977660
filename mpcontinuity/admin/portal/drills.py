"""Outages that are played for some users, ``/admin/domain/DOMAIN/drills``, and their reports."""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.domain import PATH, path_of
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PAGE: Final = f"{PATH}drills"
_SHOWN: Final = 100  # messages of a report; the command `drill report` has all
_MOST: Final = 500  # drills


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [portal.get(PAGE, show), portal.post(PAGE, begin), portal.post(f"{PAGE}/end", end)]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists drills, newest first, with a form for one and the report of the one that the query names."""
    name, id_ = visit.asked.parts["domain"], visit.asked.query.get("report")
    rows = await visit.call("drill list", domain=name, limit=_MOST)
    return visit.render(
        "drills.html",
        http.BAD_REQUEST if errors else http.OK,
        name=name,
        rows=rows[::-1],
        report=await visit.call("drill report", id=id_, domain=name) if id_ else None,
        shown=_SHOWN,
        typed=visit.asked.form,
        errors=errors or {},
    )


async def begin(visit: Visit) -> Answer:
    """Begins a drill for the users that are named, one on a line."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    named = form.get("user").replace(",", "\n").split()
    try:
        await visit.call("drill", name=name, user=named, lasts=form.get("for").strip())
    except Refused as refused:
        return await show(visit, at_field(refused, user="user", lasts="for"))
    return await visit.done(f"The drill has begun for {len(named)} users.", path_of(name, "drills"))


async def end(visit: Visit) -> Answer:
    """Ends the drill that is under way."""
    name = visit.asked.parts["domain"]
    await visit.call("drill end", name=name)
    return await visit.done("The drill is over; its mail goes home now.", path_of(name, "drills"))
