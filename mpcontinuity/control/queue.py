"""What waits for home servers and for the world: listed, tried again, taken out."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import Any

from mpcontinuity.accounts import domains
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.queue import listing as queue
from mpcontinuity.queue import outbound
from mpcontinuity.store.transaction import Transaction


async def list_(control: Control, domain: str | None = None) -> Any:
    """What waits for home servers and what waits for the world, oldest first."""
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    give_up = round(control.settings.retry.give_up * SECOND)
    rows: list[tuple[int, Any]] = []
    for listing in (partial(queue.listing, give_up=give_up), outbound.listing):
        after = 0
        while step := await control.store.read(partial(listing, domain=wanted, after=after)):
            rows += step
            after = step[-1][0]
    return [row for _, row in sorted(rows, key=itemgetter(0))]


async def destinations(control: Control, domain: str | None = None) -> Any:
    """What waits for the world, by where it goes; those with most waiting first."""
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    return await control.store.read(partial(outbound.destinations, domain=wanted))


async def retry(control: Control, ids: list[str] | None = None) -> Any:
    """Due now; without ids all. How many were changed."""
    give_up = round(control.settings.retry.give_up * SECOND)

    def some(tx: Transaction, ids: list[int]) -> int:
        ours = outbound.known(tx, ids)
        home = [one for one in ids if one not in ours]
        count = outbound.retry(tx, sorted(ours), control.by, give_up=give_up)
        return count + (queue.retry(tx, home, control.by) if home else 0)

    if ids:
        return {"retried": await control.store.run(partial(some, ids=_ids(ids)))}
    count = 0
    for again in (partial(queue.retry_all, by=control.by), partial(outbound.retry_all, by=control.by, give_up=give_up)):
        after = 0
        while step := await control.store.run(partial(again, after=after), bulk=True):
            count += len(step)
            after = step[-1]
    return {"retried": count}


async def remove(control: Control, ids: list[str]) -> Any:
    """Not owed any more: released; not sent to the world any more: removed. How many."""

    def some(tx: Transaction, ids: list[int]) -> int:
        ours = outbound.known(tx, ids)
        home = [one for one in ids if one not in ours]
        return outbound.remove(tx, sorted(ours), control.by) + (queue.remove(tx, home, control.by) if home else 0)

    return {"removed": await control.store.run(partial(some, ids=_ids(ids)))}


def _ids(shown: list[str]) -> list[int]:
    try:
        return [identifier.parse(one) for one in shown]
    except ValueError as error:
        raise Refused(f"{error}; `mpcontinuity queue list` shows them") from None
