"""Email Live Tracking, ``/admin/tracking``: what became of each message, for each recipient, as it happens.

Filters and columns stand in the address, so that it can be kept and handed on. What is chosen is tried again, taken
out, or released again: each message to the one recipient of its row.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.admin.portal.archive import begin_release
from mpcontinuity.admin.portal.csv_lines import CSV, attachment, line
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.control.archived import ReleasedTo
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.tracking import STATUSES
from mpcontinuity.delivery.release import Way
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import from_iso, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.tracking.listing import TrackRow
from mpcontinuity.tracking.record import DIRECTIONS, OUTBOUND
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.asked import Fields
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
        portal.post(PATH, act_on_some),
        portal.get(f"{PATH}.csv", download),
        portal.get(f"{PATH}/<id>", show_one),
        portal.post(f"{PATH}/<id>", act),
    ]


async def show(visit: Visit) -> Answer:
    """Lists messages, the newest first, as far as the fields of the query want them."""
    return await _list(visit, visit.asked.query)


async def _list(visit: Visit, query: Fields, error: str = "") -> Answer:
    """The list, by the fields of the address, or of a form of which an ``error`` is told."""
    errors: dict[str, str] = {}
    filters = _filled_in(query, *_FILTERS)
    try:
        rows: list[TrackRow] = await visit.call("track", limit=_ROWS, **_filled_in(query, *_FILTERS, "after"))
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        rows, errors = [], at_field(refused, "since", "until", "status", "direction", "domain")
    chosen = [name for name in COLUMNS if name in query.all("column")] or list(_USUAL)
    return visit.render(
        "tracking.html",
        http.BAD_REQUEST if errors or error else http.OK,
        rows=rows,
        live=not query.get("after") and not error,
        next_page=visit.next_page("track", rows, _ROWS) if query is visit.asked.query else "",
        columns=COLUMNS,
        chosen=chosen,
        heads=[COLUMNS[name] for name in chosen],
        statuses=[("", "any"), *((status, status) for status in STATUSES)],
        directions=[("", "any"), *((direction, direction) for direction in DIRECTIONS)],
        domains=await visit.domains(),
        typed=query,
        filtered=filters,
        picked=query.all("id"),
        error=error,
        errors=errors,
    )


async def act_on_some(visit: Visit) -> Answer:
    """Tries the messages that were chosen again, takes them out, or releases them."""
    form = visit.asked.form
    ids = form.all("id")
    if not ids:
        return await _list(visit, form, "Choose messages first.")
    try:
        if form.get("act") == "release":
            return await _release(visit, [await _find(visit, one) for one in ids[:_ROWS]])
        if form.get("act") == "remove":
            count = (await visit.call("queue remove", ids=ids)).removed
            said = f"{count} messages do not wait any more; they stay in the archive."
        else:
            count = (await visit.call("queue retry", ids=ids)).retried
            said = f"{count} messages are tried again now."
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await _list(visit, form, refused_at(refused))
    columns = [("column", column) for column in form.all("column")]
    return await visit.done(said, f"{PATH}?{urlencode([*_filled_in(form, *_FILTERS).items(), *columns])}")


async def _release(visit: Visit, rows: Sequence[TrackRow]) -> Answer:
    """Begins the release of messages, each to the recipient of its row, and leads to its page."""
    return await begin_release(visit, partial(_released, rows=rows), {})


async def _released(control: Control, rows: Sequence[TrackRow]) -> list[ReleasedTo]:
    done: list[ReleasedTo] = []
    for row in rows:
        try:
            done += await _released_one(control, row)
        except Refused as refused:
            done.append(ReleasedTo("", row.recipient, Way.REFUSED.value, 0, refused.text, ""))
        control.progress({"released": len(done)})
        await control.drained()
    return done


async def _released_one(control: Control, row: TrackRow) -> list[ReleasedTo]:
    """Raises Refused where the archive does not have the message, or not yet."""
    outward = row.direction == OUTBOUND
    user = row.sender if outward else row.recipient
    until = iso(from_iso(row.received) + 1)  # a message has the same time in the archive
    search = {"user": user, "since": row.received, "until": until, "limit": 2}
    found = await OPERATIONS["archive search"](control, search)
    ids = [one.id for one in found if one.message_id == row.message_id]
    if not ids:
        raise Refused("this message is not in the archive: it was never there, is no more, or is not indexed yet")
    arguments: dict[str, Any] = {"ids": ids[:1]} if outward else {"ids": ids[:1], "to": row.recipient}
    lines: list[ReleasedTo] = await OPERATIONS["archive release"](control, arguments)
    return lines


def _filled_in(fields: Fields, *names: str) -> dict[str, str]:
    """Those fields that are filled in: the arguments by which the list is asked for."""
    return {name: fields.get(name).strip() for name in names if fields.get(name).strip()}


async def show_one(visit: Visit, error: str = "") -> Answer:
    """Shows the whole story of one message to one recipient."""
    row = await _find(visit, visit.asked.parts["id"])
    return visit.render(
        "tracked.html",
        http.CONFLICT if error else http.OK,
        row=row,
        waits=row.outcome == "owed" or row.status == "queued",
        error=error,
    )


async def act(visit: Visit) -> Answer:
    """Tries a message that waits again, takes it out, or releases it."""
    row = await _find(visit, visit.asked.parts["id"])
    try:
        if visit.asked.form.get("act") == "release":
            return await _release(visit, [row])
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


async def _find(visit: Visit, shown: str) -> TrackRow:
    """The row with that id. Raises Refused where there is none that the administrator may see."""
    given = shown.lower()
    try:
        behind = identifier.show(min(identifier.parse(given) + 1, identifier.LAST))
    except ValueError as error:
        raise Refused(str(error)) from None
    for row in await visit.call("track", after=behind, limit=1):
        if row.id == given:
            return row  # type: ignore[no-any-return]
    raise Refused(f"{given}: no such message is tracked, or no more", "unknown")
