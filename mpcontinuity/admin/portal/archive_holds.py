"""What of the archive is kept though its time has come, ``/admin/archive/holds``."""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/archive/holds"
_ROWS: Final = 100  # of a page: some milliseconds to write
_FIELDS: Final = ("query", "user", "note", "domain")


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PATH, show), portal.post(PATH, add), portal.post(f"{PATH}/lift", lift)]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists the holds, the oldest first, and has the form of a new one, filled in where the address says with what."""
    rows = await visit.call("archive hold list", limit=_ROWS, **visit.asked_by("after"))
    return visit.render(
        "archive_holds.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=visit.next_page("archive hold list", rows, _ROWS),
        domains=await visit.domains(),
        typed=visit.asked.form if errors else visit.asked.query,
        errors=errors or {},
    )


async def add(visit: Visit) -> Answer:
    """Holds all mail of a user, or what a query finds now."""
    form = visit.asked.form
    given = {name: form.get(name).strip() for name in _FIELDS if form.get(name).strip()}
    try:
        row = await visit.call("archive hold", **given)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show(visit, at_field(refused, *_FIELDS))
    what = f"All mail of {row.user} is" if row.user else f"{row.messages} messages are"
    return await visit.done(f"{what} held until you lift the hold.", PATH)


async def lift(visit: Visit) -> Answer:
    """Ends a hold."""
    await visit.call("archive hold lift", id=visit.asked.form.get("id"))
    return await visit.done("The hold is lifted: what it kept goes when its time has come.", PATH)
