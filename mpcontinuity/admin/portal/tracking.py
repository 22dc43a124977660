"""Email Live Tracking, ``/admin/tracking``: what became of each message, for each recipient, as it happens.

Filters and columns stand in the address, so that it can be kept and handed on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from twisted.web import http

from mpcontinuity.admin.portal.csv_lines import CSV, attachment, line
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.control.tracking import STATUSES
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.tracking.listing import TrackRow
from mpcontinuity.tracking.record import DIRECTIONS
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/tracking"
_ROWS: Final = 50  # of a page: some milliseconds to write
_AT_ONCE: Final = 200  # rows of CSV that are read and written in one turn
_MOST: Final = 100_000  # rows of a CSV: 30 MB, more than a spreadsheet likes
_FILTERS: Final = ("recipient", "sender", "message_id", "status", "direction", "since", "until", "domain")

COLUMNS: Final = {
    "received": "Received",
    "direction": "Direction",
    "sender": "Sender",
    "recipient": "Recipient",
    "subject": "Subject",
    "status": "Status",
    "outcome": "Outcome",
    "reply": "Reply",
    "size": "Size",
    "message_id": "Message-ID",
}
_USUAL: Final = ("received", "sender", "recipient", "subject", "status", "outcome", "reply")


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.get(f"{PATH}.csv", download),
        portal.get(f"{PATH}/<id>", show_one),
        portal.post(f"{PATH}/<id>", act),
    ]


async def show(visit: Visit) -> Answer:
    """Lists messages, the newest first, as far as the fields of the query want them."""
    query, errors = visit.asked.query, dict[str, str]()
    try:
        rows: list[TrackRow] = await visit.call("track", limit=_ROWS, **visit.asked_by(*_FILTERS, "after"))
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        rows, errors = [], at_field(refused, "since", "until", "status", "direction", "domain")
    chosen = [name for name in COLUMNS if name in query.all("column")] or list(_USUAL)
    return visit.render(
        "tracking.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        live=not query.get("after"),
        next_page=visit.next_page("track", rows, _ROWS),
        columns=COLUMNS,
        chosen=chosen,
        heads=[COLUMNS[name] for name in chosen],
        statuses=[("", "any"), *((status, status) for status in STATUSES)],
        directions=[("", "any"), *((direction, direction) for direction in DIRECTIONS)],
        domains=await visit.domains(),
        typed=query,
        filtered=visit.asked_by(*_FILTERS),
        errors=errors,
    )


async def show_one(visit: Visit, error: str = "") -> Answer:
    """Shows the whole story of one message to one recipient."""
    row = await _find(visit)
    return visit.render(
        "tracked.html",
        http.CONFLICT if error else http.OK,
        row=row,
        waits=row.outcome == "owed" or row.status == "queued",
        error=error,
    )


async def act(visit: Visit) -> Answer:
    """Tries a message that waits again, or takes it out."""
    row = await _find(visit)
    try:
        if visit.asked.form.get("act") == "remove":
            await visit.call("queue remove", ids=[row.id])
            said = "The message does not wait any more; it stays in the archive."
        else:
            await visit.call("queue retry", ids=[row.id])
            said = "The message is tried again now."
    except Refused as refused:
        return await show_one(visit, refused_at(refused))
    return await visit.done(said, f"{PATH}/{row.id}")


async def download(visit: Visit) -> Stream:
    """Gives what the filters find as CSV, with all columns."""
    filters = visit.asked_by(*_FILTERS)
    first = await visit.call("track", limit=_AT_ONCE, **filters)
    return Stream(_written(visit, filters, first), CSV, attachment("tracking.csv"))


async def _written(visit: Visit, filters: dict[str, str], rows: Sequence[TrackRow]) -> AsyncGenerator[bytes, None]:
    yield line(["id", *TrackRow.__struct_fields__[1:-1]])
    count = 0
    while rows and count < _MOST:
        yield b"".join(line([getattr(row, name) for name in TrackRow.__struct_fields__[:-1]]) for row in rows)
        count += len(rows)
        rows = await visit.call("track", limit=_AT_ONCE, **filters, after=rows[-1].id)


async def _find(visit: Visit) -> TrackRow:
    """The row with the id of the path. Raises Refused where there is none that the administrator may see."""
    given = visit.asked.parts["id"].lower()
    try:
        behind = identifier.show(min(identifier.parse(given) + 1, identifier.LAST))
    except ValueError as error:
        raise Refused(str(error)) from None
    for row in await visit.call("track", after=behind, limit=1):
        if row.id == given:
            return row  # type: ignore[no-any-return]
    raise Refused(f"{given}: no such message is tracked, or no more", "unknown")
