"""The first page, ``/admin/``: how the domains are, and how much mail came and went today."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from mpcontinuity.admin.portal.figures import flow_panels, health_band
from mpcontinuity.admin.portal.signed_in import HOME, Portal, Visit
from mpcontinuity.control.status import StateChange
from mpcontinuity.model.clock import DAY
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

DOMAINS: Final = 50  # of a page: each row has a chart
_CHANGES: Final = 1_000  # the newest are drawn
_BACK: Final = 7 * DAY  # that the charts of health show


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [portal.get(HOME, show)]


async def show(visit: Visit) -> Answer:
    """Shows a line for each domain, and charts of all mail and of each home server."""
    after = visit.asked.query.get("after")
    rows = await visit.call("status", after=after, limit=DOMAINS)
    settings = {row.domain: row for row in await visit.call("domain list", after=after, limit=DOMAINS)}
    flow = await visit.call("status flow") if rows else []
    changes: dict[str, list[StateChange]] = {}
    for change in await visit.call("status history", since="7d", limit=_CHANGES):
        changes.setdefault(change.domain, []).append(change)
    now = visit.control.store.clock.now()
    bands = {row.domain: health_band(changes.get(row.domain, []), row.state, now - _BACK, now) for row in rows}
    return visit.render(
        "home.html",
        rows=rows,
        settings=settings,
        bands=bands,
        changes=changes,
        flow=flow,
        panels=flow_panels(flow),
        next_page=f"{HOME}?after={quote(rows[-1].domain)}" if len(rows) == DOMAINS else "",
    )
