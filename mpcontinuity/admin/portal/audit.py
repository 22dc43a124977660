"""The audit trail, ``/admin/audit``: who did what in the last year."""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/audit"
_ROWS: Final = 100  # of a page: some milliseconds to write


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PATH, show)]


async def show(visit: Visit) -> Answer:
    """Lists what was done, the newest first, as far as the fields of the query want it."""
    errors: dict[str, str] = {}
    try:
        rows = await visit.call("audit", limit=_ROWS, **visit.asked_by("since", "by", "domain", "after"))
    except Refused as refused:
        if refused.kind != "invalid":
            raise
        rows, errors = [], at_field(refused, "since", "domain")
    return visit.render(
        "audit.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=visit.next_page("audit", rows, _ROWS),
        domains=await visit.domains(),
        typed=visit.asked.query,
        errors=errors,
    )
