"""A domain, ``/admin/domain/DOMAIN/``: how it is, what was planned for it, and whether its home server is cut off."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from twisted.web import http

from mpcontinuity.admin.portal.figures import flow_panels, health_band
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/domain/<domain>/"
_BACK: Final = 7 * DAY  # that the chart of health shows
_CHANGES: Final = 200  # rows of its table


def path_of(domain: str, page: str = "") -> str:
    """Returns the path of a page about a domain."""
    return f"/admin/domain/{quote(domain, safe='')}/{page}"


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(f"{PATH}plan", plan),
        portal.post(f"{PATH}plan/extend", extend),
        portal.post(f"{PATH}plan/end", end),
        portal.post(f"{PATH}contain", contain),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Shows the state of a domain with charts; ``errors`` are sentences by the field that is wrong."""
    name = visit.asked.parts["domain"]
    [row] = await visit.call("status", domain=name)
    changes = await visit.call("status history", domain=name, since="7d", limit=_CHANGES)
    flow = await visit.call("status flow", domain=name)
    now = visit.control.store.clock.now()
    return visit.render(
        "domain.html",
        http.BAD_REQUEST if errors else http.OK,
        name=row.domain,
        row=row,
        plans=[each for each in await visit.call("domain plan list", domain=name, limit=50) if not each.ended],
        changes=changes,
        band=health_band(changes, row.state, now - _BACK, now),
        flow=flow,
        panels=flow_panels(flow),
        typed=visit.asked.form,
        errors=errors or {},
    )


async def plan(visit: Visit) -> Answer:
    """Takes an outage that is declared for a set time."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    begin, until, note = form.get("from").strip(), form.get("until").strip(), form.get("note")
    try:
        await visit.call("domain plan", name=name, begin=_local(begin), until=_local(until), note=note)
    except Refused as refused:
        return await show(visit, at_field(refused, "until", "note", begin="from"))
    return await visit.done("The outage is planned.", path_of(name))


def _local(text: str) -> str:
    """A time as a field of a form has it, which is said to be in UTC."""
    return f"{text}:00+00:00" if len(text) == len("2026-11-30T07:00") and text[10:11] == "T" else text


async def extend(visit: Visit) -> Answer:
    """Takes a later end of an outage that is planned."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    try:
        await visit.call("domain plan extend", name=name, until=_local(form.get("later").strip()), plan=form.get("id"))
    except Refused as refused:
        return await show(visit, {"later": refused_at(refused)})
    return await visit.done("The outage lasts longer.", path_of(name))


async def end(visit: Visit) -> Answer:
    """Ends an outage that is planned, or takes it back."""
    name = visit.asked.parts["domain"]
    await visit.call("domain plan end", name=name, plan=visit.asked.form.get("id"))
    return await visit.done("The planned outage is over.", path_of(name))


async def contain(visit: Visit) -> Answer:
    """Cuts the home server off, or lets mail go there again."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    if form.get("to") == "off":
        await visit.call("contain off", name=name)
        return await visit.done(
            "Mail goes to the home server again; what was kept waits for its release.", path_of(name)
        )
    try:
        await visit.call("contain on", name=name, note=form.get("why"))
    except Refused as refused:
        return await show(visit, at_field(refused, note="why"))
    return await visit.done("The home server is cut off: nothing goes there.", path_of(name))
