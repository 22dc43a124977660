"""Turns mail over that waits in the queue for a domain of ours when continuity begins for that domain.

Such mail is put off by `[retry]`, for up to an hour, because home did not take it. In an outage it goes into mailboxes
(delivery/internal.py), and users are to have it at once. So it is made due, and goes the way of all mail of the queue:
a row is claimed, delivered and ended as ever, so that it can neither be lost nor delivered twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import home_state
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, HomeChanged, Notice
from mpcontinuity.model.timer import Timer
from mpcontinuity.queue import outgoing
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store

_STORE_AGAIN = 5.0  # seconds, after a failure of the store

_log = Logger()


class Turnover:
    """Watches for which domains continuity begins: an outage is declared, or home goes down.

    It lives in the reactor thread, one per process. What it does may be done by several, and again at every start: a
    crash in between leaves nothing undone.
    """

    def __init__(self, store: Store, directory: Directory, *, timer: Timer) -> None:
        self._store = store
        self._directory = directory
        self._timer = timer
        self._begun: set[int] = set()  # domains for which continuity is at work, and whose mail was turned over
        self._looking = self._look_again = False

    async def start(self) -> None:
        """Turns over what waits for domains for which continuity is at work already."""
        self._store.listen(self._heard)
        await self._look()

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | HomeChanged | Everything) for notice in notices):
            self._look_soon()

    def _look_soon(self) -> None:
        if self._looking:
            self._look_again = True
        else:
            Deferred.fromCoroutine(self._look()).addErrback(self._failed)

    async def _look(self) -> None:
        self._looking = True
        try:
            while True:
                self._look_again = False
                await self._turn_over()
                if not self._look_again:
                    return
        except Stopping:
            pass
        except Temporary as error:
            _log.warn("mail in the queue for our own domains waits: {error}", error=str(error), often=True)
            self._timer.callLater(_STORE_AGAIN, self._look_soon)
        finally:
            self._looking = False

    async def _turn_over(self) -> None:
        homes = await self._store.read(home_state.load)
        now = self._store.clock.now()
        kept = {}
        for domain in await self._directory.domains():
            down = domain.id in homes and homes[domain.id][0].state is State.DOWN
            if domain.settings.continuity and (down or not domain.sends_home(now)):
                kept[domain.id] = domain.name
        self._begun &= kept.keys()
        for domain_id, name in kept.items():
            if domain_id not in self._begun:
                step = partial(outgoing.make_due, destination=name)
                while await self._store.run(step, bulk=True) >= outgoing.STEP:
                    pass
                self._begun.add(domain_id)

    def _failed(self, failure: Failure) -> None:
        _log.failure("mail in the queue for our own domains", failure)
