"""How much mail came and went, hour by hour: ``status flow``."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import HOUR, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import flow as figures

MOST_HOURS: Final = 24 * 7  # each costs a look at up to 20,000 rows


class FlowHour(msgspec.Struct, frozen=True):
    """A row of `status flow`: the mail of the hour that began at ``hour`` (ISO 8601), a message counted for each
    recipient.

    ``taken_in`` came in and was not refused. Of these, ``redirected`` were put into mailboxes here because home did not
    serve, and of these, home has ``redelivered`` by now. ``sent`` is what users sent. ``complete`` is false where there
    was more than could be counted.
    """

    hour: str
    taken_in: int
    redirected: int
    redelivered: int
    sent: int
    complete: bool


async def flow(control: Control, domain: str | None = None, hours: int = 24) -> list[FlowHour]:
    """Returns a row for each of the last ``hours``, oldest first; the last one is under way.

    The rows are about ``domain``, or about all domains. Raises Refused for a domain that is not here, and for a number
    of hours that is not 1 to 168.
    """
    if not 1 <= hours <= MOST_HOURS:
        raise Refused(f"hours: {hours}: must be 1 to {MOST_HOURS}")
    wanted = await control.store.read(partial(_domain, name=domain)) if domain is not None else None
    now = control.store.clock.now()
    rows = []
    for ago in reversed(range(hours)):
        begins = now - now % HOUR - ago * HOUR
        found = await control.store.read(partial(figures.of_hour, domain=wanted, begins=begins))
        rows.append(FlowHour(iso(begins), *found))
    return rows


def _domain(tx: Transaction, name: str) -> int:
    return domains.known(tx, name).id
