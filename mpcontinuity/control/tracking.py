"""What became of messages: ``track``."""

from __future__ import annotations

from typing import Any

from mpcontinuity.control.operation import Control, moment
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
) -> Any:
    """The contract's rows, newest first."""
    if not 1 <= limit <= tracking.MOST:
        raise Refused(f"limit: {limit}: must be 1 to {tracking.MOST}")
    if status and status not in STATUSES:
        raise Refused(f'status: "{status}": must be {", ".join(STATUSES)}')
    filters = tracking.Filters(
        recipient=recipient,
        sender=sender,
        message_id=message_id,
        status=status,
        since=moment(since, control.store.clock.now()) if since else 0,
    )
    return await tracking.newest(control.store, filters, limit)
