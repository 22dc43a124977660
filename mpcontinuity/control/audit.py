"""The operation ``audit``: who did what in the last year."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import audit as trail
from mpcontinuity.control.arguments import domain_name, moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import iso


class AuditRow(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """Something that somebody did, or was refused.

    ``by`` is the name that they give themselves, and ``origin`` what the system knows of them. ``object`` says what it
    is about, without secrets. ``domain`` is the domain whose administrators see the row; empty: those of all domains
    alone. ``result`` is "done", "refused: " and why, or "begun" for what has not ended, or was cut off by a crash.
    """

    id: str
    time: str
    by: str
    origin: str
    operation: str
    object: str
    domain: str
    result: str


async def audit(
    control: Control,
    since: str | None = None,
    by: str = "",
    limit: int = 100,
    domain: str | None = None,
    after: str = "",
) -> list[AuditRow]:
    """Returns up to ``limit`` rows of the audit trail, newest first, those after the one with the id ``after``.

    ``since`` is a time or a duration before now, and ``by`` a name; an argument that is empty does not filter. Raises
    Refused for a limit out of bounds, and for what is no time, no domain or no id.
    """
    page = partial(
        trail.listing,
        domain=domain_name(domain) if domain else "",
        name=by,
        since=moment(since, control.store.clock.now()) if since else 0,
        before=row_id(after) or identifier.LAST,
        limit=rows_of_page(limit),
    )
    return [
        AuditRow(
            identifier.show(row.id),
            iso(row.time),
            row.name,
            row.origin,
            row.operation,
            row.object,
            row.domain,
            row.result,
        )
        for row in await control.store.read(page)
    ]
