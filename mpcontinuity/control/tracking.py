"""What became of messages: ``track``."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import LATEST
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import BOUNCED, DEFERRED, DELIVERED, FAILED, QUEUED, REJECTED
from mpcontinuity.tracking import listing as tracking
from mpcontinuity.tracking.record import DIRECTIONS

STATUSES = (DELIVERED, DEFERRED, REJECTED, BOUNCED, QUEUED, FAILED)


async def track(
    control: Control,
    recipient: str = "",
    sender: str = "",
    message_id: str = "",
    status: str = "",
    direction: str = "",
    since: str | None = None,
    until: str | None = None,
    limit: int = 100,
    domain: str | None = None,
    after: str = "",
) -> list[tracking.TrackRow]:
    """Returns what became of messages, a row per message and recipient, newest first.

    An argument that is empty does not filter. Messages were received at ``since`` or later and before ``until``, which
    are times or durations before now. There are up to ``limit`` rows, those behind the one with the id ``after``.
    Raises Refused for a domain that is not here, for a limit out of bounds, and for a ``since`` or ``until``, a
    ``status``, a ``direction`` or an ``after`` that is no time, no status, no direction or no id.
    """
    now = control.store.clock.now()
    limit, last = rows_of_page(limit), row_id(after)
    if status and status not in STATUSES:
        raise Refused(f'status: "{status}": must be {", ".join(STATUSES)}')
    if direction and direction not in DIRECTIONS:
        raise Refused(f'direction: "{direction}": must be {", ".join(DIRECTIONS)}')
    filters = tracking.Filters(
        domain=(await control.store.read(partial(domains.known, name=domain))).id if domain is not None else None,
        recipient=recipient,
        sender=sender,
        message_id=message_id,
        status=status,
        direction=direction,
        since=moment(since, now) if since else 0,
        until=moment(until, now) if until else LATEST,
    )
    return await tracking.newest(control.store, filters, limit, after=last)
