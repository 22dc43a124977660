"""Who is told of a domain's state by HTTPS, ``/admin/webhooks``: for administrators of all domains."""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.control.arguments import PAGE
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/webhooks"


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, add),
        portal.post(f"{PATH}/test", test),
        portal.post(f"{PATH}/remove", remove),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None, made: object = None) -> Answer:
    """Lists the webhooks of a domain, or of all where none is named.

    ``made`` is a new one with its secret, which is shown this once; ``errors`` are sentences by the field that is
    wrong.
    """
    query = visit.asked.query
    domain = query.get("domain")
    rows = await visit.call("webhook list", domain=domain or None, after=query.get("after"))
    return visit.render(
        "webhooks.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=visit.next_page("webhook list", rows, PAGE),
        domains=await visit.domains(),
        domain=domain,
        made=made,
        typed=visit.asked.form,
        errors=errors or {},
    )


async def add(visit: Visit) -> Answer:
    """Takes a domain and a URL, and shows the secret that signs."""
    form = visit.asked.form
    try:
        made = await visit.call("webhook add", domain=form.get("domain"), url=form.get("url").strip())
    except Refused as refused:
        return await show(visit, at_field(refused, "url", "domain"))
    return await show(visit, made=made)


async def test(visit: Visit) -> Answer:
    """Has one be told of a test."""
    told = await visit.call("webhook test", id=visit.asked.form.get("id"))
    return await visit.done(f"{told.url} is told of a test. Its answer stands here in some seconds.", PATH)


async def remove(visit: Visit) -> Answer:
    """Removes one."""
    removed = await visit.call("webhook remove", id=visit.asked.form.get("id"))
    return await visit.done(f"{removed.url} is told no more.", PATH)
