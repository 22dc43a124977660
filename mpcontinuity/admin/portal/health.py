"""Health of the server, ``/admin/health``: what `doctor` says. For administrators of all domains."""

from __future__ import annotations

from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, refused_at
from mpcontinuity.control.health import FindingRow
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/health"
_ROWS: Final = 100  # of a page: some milliseconds to write; a server with many domains has some for each
_DIGITS: Final = 9  # of the number of rows before a page
_ORDER: Final = ("wrong", "warning", "good")


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PATH, show)]


async def show(visit: Visit) -> Answer:
    """Examines the server and shows what was found, the worst first, some at a time. It may take some seconds."""
    rows: list[FindingRow] = []
    why, after = "", visit.asked.query.get("after")
    begin = int(after) if after.isascii() and after.isdigit() and len(after) <= _DIGITS else 0
    try:
        rows = await visit.call("doctor")
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        why = refused_at(refused)
    except Temporary as error:  # it takes long, and is to be looked at again
        why = f"{str(error)[:1].upper()}{str(error)[1:]}."
    return visit.render(
        "health.html",
        http.SERVICE_UNAVAILABLE if why else http.OK,
        rows=sorted(rows, key=lambda row: _ORDER.index(row.verdict))[begin : begin + _ROWS],
        next_page=f"{PATH}?after={begin + _ROWS}" if begin + _ROWS < len(rows) else "",
        counts={verdict: sum(row.verdict == verdict for row in rows) for verdict in _ORDER},
        why=why,
    )
