"""The ledger, ``/admin/report``: what was taken in for each user of a domain, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from twisted.web import http

from mpcontinuity.admin.portal.csv_lines import CSV, attachment, line
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.control.status import Report
from mpcontinuity.model.errors import Refused
from mpcontinuity.queue.ledger import LedgerLine
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/report"
_ROWS: Final = 200  # of a page: some milliseconds to write
_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(LedgerLine))


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [portal.get(PATH, show), portal.get(f"{PATH}.csv", download)]


async def show(visit: Visit) -> Answer:
    """Shows the ledger of one domain: the sum, whether it adds up, and the lines of users, some at a time."""
    domains = await visit.domains()
    wanted = visit.asked_by("domain", "since")
    if "domain" not in wanted and domains:
        wanted["domain"] = domains[0][0]
    errors: dict[str, str] = {}
    report = Report([], True)
    try:
        if "domain" in wanted:
            report = await visit.call("report", **wanted)
    except Refused as refused:
        if refused.kind != "invalid":
            raise
        errors = at_field(refused, "since", "domain")
    *lines, total = report.rows or [LedgerLine("total")]
    after = visit.asked.query.get("after")
    begin = next((place + 1 for place, each in enumerate(lines) if each.user == after), 0)
    shown = lines[begin : begin + _ROWS]
    rest = {**wanted, "after": shown[-1].user} if begin + _ROWS < len(lines) else {}
    return visit.render(
        "report.html",
        http.BAD_REQUEST if errors else http.OK,
        lines=shown,
        total=total,
        adds_up=report.adds_up,
        columns=_COLUMNS[1:],
        domain=wanted.get("domain", ""),
        domains=domains,
        typed=visit.asked.query,
        rest=rest,
        errors=errors,
    )


async def download(visit: Visit) -> Stream:
    """Gives the whole ledger of a domain as CSV."""
    report = await visit.call("report", **visit.asked_by("domain", "since"))
    return Stream(_written(report), CSV, attachment("report.csv"))


async def _written(report: Report) -> AsyncGenerator[bytes, None]:
    yield line(_COLUMNS)
    for begin in range(0, len(report.rows), _ROWS):
        some = report.rows[begin : begin + _ROWS]
        yield b"".join(line(msgspec.structs.astuple(each)) for each in some)
