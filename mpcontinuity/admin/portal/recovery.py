"""The way back, ``/admin/recovery``: how far what is owed to each home server has gone there."""

from __future__ import annotations

from typing import Final

from mpcontinuity.admin.portal.signed_in import Portal, Visit
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/recovery"
_ROWS: Final = 100  # of a page: some milliseconds to write


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PATH, show), portal.post(PATH, retry)]


async def show(visit: Visit) -> Answer:
    """Shows each domain to whose home something is owed, with the pace and when it will have gone."""
    rows = await visit.call("status", limit=_ROWS, **visit.asked_by("after"))
    return visit.render(
        "recovery.html",
        rows=[row for row in rows if row.recovery is not None or row.kept or row.state == "recovering"],
        next_page=visit.next_page("status", rows, _ROWS),
    )


async def retry(visit: Visit) -> Answer:
    """Has what is owed to the home of a domain tried again now; a paused flush goes on."""
    domain = visit.asked.form.get("domain")
    done = await visit.call("queue retry", domain=domain)
    return await visit.done(f"{done.retried} messages of {domain} are tried again now.", PATH)
