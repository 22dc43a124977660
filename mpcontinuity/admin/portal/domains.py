"""The domains that are subscribed, ``/admin/domains``: their list, another one, and the end of one."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from twisted.web import http

from mpcontinuity.admin.portal.domain import path_of
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/domains"
ROWS: Final = 100  # of a page


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, add),
        portal.get("/admin/domain/<domain>/remove", ask),
        portal.post("/admin/domain/<domain>/remove", remove),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists the domains, with a form for another one; ``errors`` are sentences by the field that is wrong."""
    rows = await visit.call("domain list", after=visit.asked.query.get("after"), limit=ROWS)
    return visit.render(
        "domains.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=f"{PATH}?after={quote(rows[-1].domain)}" if len(rows) == ROWS else "",
        typed=visit.asked.form,
        errors=errors or {},
    )


async def add(visit: Visit) -> Answer:
    """Subscribes a domain, by its name and its home servers."""
    form = visit.asked.form
    try:
        row = await visit.call("domain add", name=form.get("name").strip(), home=form.get("home").strip())
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show(visit, at_field(refused, "name", "home"))
    said = f"{row.domain} is subscribed. See what DNS has to say, and try its home server."
    return await visit.done(said, path_of(row.domain, "dns"))


async def ask(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Asks whether a domain is to be removed, and says what that means."""
    [row] = await visit.call("status", domain=visit.asked.parts["domain"])
    return visit.render(
        "domain_remove.html",
        http.BAD_REQUEST if errors else http.OK,
        name=row.domain,
        row=row,
        typed=visit.asked.form,
        errors=errors or {},
    )


async def remove(visit: Visit) -> Answer:
    """Removes a domain whose name was typed once more."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    if form.get("name").strip().lower() != name.lower():
        return await ask(visit, {"name": "This is not the name of the domain."})
    try:
        await visit.call("domain remove", name=name, force=form.get("force") == "yes")
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await ask(visit, {"force": refused_at(refused)})
    return await visit.done(f"{name} is removed.", PATH)
