"""What became of messages: ``track``."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import BOUNCED, DEFERRED, DELIVERED, FAILED, QUEUED, REJECTED
from mpcontinuity.tracking import listing as tracking

STATUSES = (DELIVERED, DEFERRED, REJECTED, BOUNCED, QUEUED, FAILED)


async def track(
    control: Control,
    recipient: str = "",
    sender: str = "",
    message_id: str = "",
    status: str = "",
    since: str | None = None,
    limit: int = 100,
    domain: str | None = None,
    after: str = "",
) -> list[tracking.TrackRow]:
    """Returns what became of messages, a row per message and recipient, newest first.

    An argument that is empty does not filter. ``since`` is a time or a duration before now. There are up to ``limit``
    rows, those behind the one with the id ``after``. Raises Refused for a domain that is not here, for a limit out of
    bounds, and for a ``since``, ``status`` or ``after`` that is no time, no status or no id.
    """
    limit, last = rows_of_page(limit), row_id(after)
    if status and status not in STATUSES:
        raise Refused(f'status: "{status}": must be {", ".join(STATUSES)}')
    filters = tracking.Filters(
        domain=(await control.store.read(partial(domains.known, name=domain))).id if domain is not None else None,
        recipient=recipient,
        sender=sender,
        message_id=message_id,
        status=status,
        since=moment(since, control.store.clock.now()) if since else 0,
    )
    return await tracking.newest(control.store, filters, limit, after=last)
