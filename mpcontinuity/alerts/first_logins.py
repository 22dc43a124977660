"""Notes when the first user came here in an outage, which is when it is known that users find their mail.

A step of the watcher (service.py). Only the last login of each user is remembered, so the first one of all has to be
looked for while the outage lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.accounts import last_logins
from mpcontinuity.alerts import outages
from mpcontinuity.alerts.outages import Outage, Told
from mpcontinuity.alerts.service import FIRST_LOGIN
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction


class FirstLogins:
    """Marks the first login in each outage, at the time that it had."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, outages: Sequence[Outage]) -> None:
        """Looks for logins in outages that go on and had none yet. Raises Temporary."""
        waiting = [outage for outage in outages if not outage.ended and FIRST_LOGIN not in outage.told]
        if not waiting:
            return
        firsts = await self._store.read(partial(_firsts, waiting=waiting))
        for outage, time in firsts.items():
            await self._store.run(partial(_mark, outage=outage, time=time))


def _firsts(tx: Transaction, waiting: Sequence[Outage]) -> dict[int, int]:
    found = {outage.id: last_logins.first(tx, outage.domain, outage.began) for outage in waiting}
    return {outage: time for outage, time in found.items() if time}


def _mark(tx: Transaction, outage: int, time: int) -> None:
    try:
        outages.tell(tx, outage, FIRST_LOGIN, time=time)
    except Told:
        return
