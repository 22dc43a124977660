"""The first page, ``/admin/``: how the domains are."""

from __future__ import annotations

from mpcontinuity.admin.portal.signed_in import HOME, Portal, Visit
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [portal.get(HOME, show)]


async def show(visit: Visit) -> Answer:
    """Shows a line for each domain."""
    return visit.render("home.html", rows=await visit.call("status"))
