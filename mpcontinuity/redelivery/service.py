"""Has redelivery to every home server begin: at a recovery, at new rows, and by a slow poll that misses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.model.clock import LEASES_LAST, SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, Notice, OwedChanged
from mpcontinuity.model.timer import Alarm
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.queue import due, leases, owed
from mpcontinuity.redelivery.environment import FlushEnvironment, Task
from mpcontinuity.redelivery.flush import Flush
from mpcontinuity.routing.health import State
from mpcontinuity.store.transaction import Transaction

POLL = 60.0  # seconds; notices are what usually wakes a flush
_POLL_AGAIN = 5.0  # after a failure of the store
STOP_WITHIN = 8.0  # seconds that a message under way has to end when the server stops

_log = Logger()


class Redelivery:
    """The flushes of all domains. It lives in the reactor thread, one per process.

    Start it after the health of home servers is loaded (homes/), and stop it before the store closes.
    """

    def __init__(self, environment: FlushEnvironment, directory: Directory, homes: HomeServers) -> None:
        self._environment = environment
        self._directory = directory
        self._homes = homes
        self._flushes: dict[int, Flush] = {}
        self._states: dict[int, State] = {}
        self._poll_alarm: Alarm | None = None
        self._stopping = False

    async def start(self) -> None:
        """Frees what the process before had claimed, then begins. Leases of other processes that live are theirs."""
        alone = self._environment.store.election.alone
        if alone or self._sweeps:
            while await self._environment.store.run(partial(leases.sweep, all_holders_dead=alone)) >= leases.STEP:
                pass
        self._environment.store.election.on_lost(self._election_lost)
        self._environment.store.listen(self._heard)
        await self._read_domains()
        await self._poll()

    @property
    def _sweeps(self) -> bool:
        """Whether a lease that has ended by the clock really has."""
        return self._environment.store.trusts_time(LEASES_LAST)

    async def stop(self) -> None:
        """Claims nothing more, and returns when what was under way has ended, or after STOP_WITHIN: then it is in
        doubt."""
        self._stopping = True
        if self._poll_alarm is not None and self._poll_alarm.active():
            self._poll_alarm.cancel()
        all_stopped: Deferred[None] = Deferred()
        limit = self._environment.timer.callLater(STOP_WITHIN, all_stopped.callback, None)

        def stopped(_: object) -> None:
            if limit.active():
                limit.cancel()
                all_stopped.callback(None)

        DeferredList([flush.stop() for flush in self._flushes.values()]).addCallback(stopped)
        await all_stopped

    def _heard(self, notices: Sequence[Notice]) -> None:
        if self._stopping:
            return
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            Deferred.fromCoroutine(self._read_domains()).addErrback(self._failed)
        for notice in notices:
            if isinstance(notice, OwedChanged) and notice.domain in self._flushes:
                self._flushes[notice.domain].wake(new=True)

    def _election_lost(self) -> None:
        for flush in list(self._flushes.values()):
            flush.election_lost()

    async def _read_domains(self) -> None:
        domains = {domain.id: domain for domain in await self._directory.domains()}
        for gone in self._flushes.keys() - domains.keys():
            self._flushes.pop(gone).stop()
        for domain in domains.values():
            home = self._homes.of(domain)
            flush = self._flushes.get(domain.id)
            if flush is None or flush.task.home is not home:
                if flush is not None:
                    flush.stop()
                self._flushes[domain.id] = flush = Flush(Task(self._environment, domain, home))
                self._states[domain.id] = State.UP
                home.listeners.append(self._home_changed)
                self._home_changed(home)
            flush.task.domain = domain
            flush.wake(new=True)

    def _home_changed(self, home: HomeServer) -> None:
        flush = self._flushes.get(home.domain)
        if flush is None or flush.task.home is not home or self._stopping:
            return
        before, now = self._states[home.domain], home.health.state
        self._states[home.domain] = now
        # A domain that names another home server now may find that one up.
        if now is State.RECOVERING is not before or (before is State.DOWN is not now):
            flush.recovering()
        elif now is not before:
            flush.wake()

    async def _poll(self) -> None:
        """The net under the notices: leases kept and freed, flushes woken."""
        wait = POLL
        try:
            claimed = [(row.id, row.token) for flush in self._flushes.values() for row in flush.active.values()]
            await self._environment.store.run(partial(_keep_leases, claimed=claimed, sweeps=self._sweeps))
            near = partial(due.bring_near, longest=int(self._environment.retry.longest * SECOND))
            while await self._environment.store.run(near, bulk=True) >= due.STEP:
                pass
            for domain in await self._environment.store.read(due.domains_with_owed):
                if domain in self._flushes:
                    self._flushes[domain].wake(new=True)
        except Stopping:
            return
        except Temporary as error:  # before leases end
            _log.warn("the poll of owed rows: {reason}", reason=str(error))
            wait = _POLL_AGAIN
        except Exception:
            _log.failure("the poll of owed rows failed")
        if not self._stopping:
            self._poll_alarm = self._environment.timer.callLater(wait, self._poll_again)

    def _poll_again(self) -> None:
        Deferred.fromCoroutine(self._poll()).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        _log.error("redelivery: {failure}", failure=failure.getErrorMessage())


def _keep_leases(tx: Transaction, claimed: Sequence[tuple[int, int]], *, sweeps: bool) -> None:
    for owed_id, token in claimed:
        owed.extend(tx, owed_id, token)
    if sweeps:
        leases.sweep(tx)
