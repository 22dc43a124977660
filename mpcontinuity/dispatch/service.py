"""Sends what is due of `outgoing`, by a lane for each destination and share: new rows wake it, a slow poll misses
nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.dispatch.lane import Lane, LaneEnvironment
from mpcontinuity.model.clock import LEASES_LAST, SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, Notice, OutgoingChanged, OutgoingWanted
from mpcontinuity.model.timer import Alarm
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import DUE_STEP, REPORTS, Due, Elsewhere
from mpcontinuity.store.transaction import Transaction

POLL = 60.0  # seconds; notices are what usually wakes it
STOP_WITHIN = 8.0  # seconds that a message under way has to end when the server stops
_SOONEST = 0.05
_REST = 4.0  # times what a look took
_LONGEST_REST = 0.5
_AGAIN = 5.0  # after a failure of the store
_LOOKS = 5  # at rows that are due: those of shares that have all their lanes are passed over from then on

_log = Logger()


class Dispatch:
    """Sends mail to the world. Every process has one, since rows are claimed; it lives in the reactor thread.

    Start it when home servers and domains are known, and stop it before the store closes.
    """

    def __init__(self, environment: LaneEnvironment) -> None:
        self._environment = environment
        self._lanes: dict[Due, Lane] = {}
        self._looking = self._look_again = False
        self._stopping = False
        self._poll_alarm: Alarm | None = None
        self._due_alarm: Alarm | None = None
        self._all_ended: Deferred[None] | None = None

    @property
    def parked(self) -> int:
        """How many messages wait for slow hosts."""
        return self._environment.shares.parked

    async def start(self) -> None:
        """Frees what the process before had claimed, then begins to send."""
        alone = self._environment.store.election.alone
        if alone or self._environment.store.trusts_time(LEASES_LAST):
            while await self._environment.store.run(partial(outgoing.free, all_holders_dead=alone)) >= outgoing.STEP:
                pass
        self._environment.store.listen(self._heard)
        await self._poll()

    async def stop(self) -> None:
        """Begins no more transactions, and returns when those under way have ended, or after STOP_WITHIN."""
        self._stopping = True
        for alarm in (self._poll_alarm, self._due_alarm):
            if alarm is not None and alarm.active():
                alarm.cancel()
        for lane in list(self._lanes.values()):
            lane.stop()
        self._environment.world.stop()
        if not self._lanes:
            return
        self._all_ended = Deferred()
        limit = self._environment.timer.callLater(STOP_WITHIN, self._nobody_waits)
        await self._all_ended
        if limit.active():
            limit.cancel()

    def _nobody_waits(self) -> None:
        all_ended, self._all_ended = self._all_ended, None
        if all_ended is not None:
            all_ended.callback(None)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, OutgoingWanted) for notice in notices):
            self._environment.world.forget_failures()
        if any(
            isinstance(notice, OutgoingChanged | OutgoingWanted | DomainsChanged | Everything) for notice in notices
        ):
            self.wake()

    def wake(self) -> None:
        """Looks whether anything is due that no lane sends yet."""
        if self._stopping:
            return
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        Deferred.fromCoroutine(self._look()).addErrback(self._failed)

    async def _look(self) -> None:
        try:
            while True:
                self._look_again = False
                begun = self._environment.timer.seconds()
                await self._begin_lanes()
                if not self._look_again or self._stopping:
                    return
                # With a long backlog a look takes its time, and every message that comes in asks for one.
                await self._pause(min((self._environment.timer.seconds() - begun) * _REST, _LONGEST_REST))
        except Stopping:
            pass
        except Temporary as error:
            _log.warn("mail to the world waits: {error}", error=str(error), often=True)
            self._wake_in(_AGAIN)
        finally:
            self._looking = False

    async def _begin_lanes(self) -> None:
        store, shares = self._environment.store, self._environment.shares
        closed = []
        if self._environment.internal is None:
            closed = [domain.name for domain in await self._environment.directory.domains()]
        for kept_back in ([REPORTS], []):  # users' mail comes before reports
            for _ in range(_LOOKS):
                rows = await store.read(partial(outgoing.due, but=self._elsewhere(closed, kept_back)))
                self._begin_some(rows)
                if len(rows) < DUE_STEP or shares.all_taken or self._stopping:
                    break
        earliest = await store.read(partial(outgoing.next_due, but=self._elsewhere(closed, [])))
        if earliest is not None and not shares.all_taken:
            self._wake_in(max((earliest - store.clock.now()) / SECOND, _SOONEST))

    def _elsewhere(self, closed: Sequence[str], kept_back: Sequence[int]) -> Elsewhere:
        busy = [due.key for due, lane in self._lanes.items() if lane.busy]
        return Elsewhere(closed, [*kept_back, *self._environment.shares.used_up], busy)

    def _begin_some(self, rows: Sequence[Due]) -> None:
        """In turns, so that who has much due does not come before who has little."""
        by_share: dict[int, list[Due]] = {}
        for due in dict.fromkeys(rows):
            if due in self._lanes:
                self._lanes[due].wake()
            else:
                by_share.setdefault(due.share, []).append(due)
        for turn in zip_longest(*by_share.values()):
            for due in filter(None, turn):
                if self._environment.shares.admits(due.share) and not self._stopping:
                    self._lanes[due] = lane = Lane(self._environment, due, ended=self._lane_ended, freed=self.wake)
                    lane.begin()

    def _lane_ended(self, lane: Lane) -> None:
        del self._lanes[lane.due]
        if self._stopping:
            if not self._lanes:
                self._nobody_waits()
        else:
            self.wake()  # what came while it ended; and when its next row is due

    async def _poll(self) -> None:
        """The net under the notices: leases kept and freed."""
        wait = POLL
        try:
            frees = self._environment.store.trusts_time(LEASES_LAST)
            await self._environment.store.run(partial(_keep_leases, claimed=self._claimed(), frees=frees))
            near = partial(outgoing.bring_near, longest=int(self._environment.retry.longest * SECOND))
            while await self._environment.store.run(near, bulk=True) >= outgoing.STEP:
                pass
        except Stopping:
            return
        except Temporary as error:
            _log.warn("the poll of mail to the world: {reason}", reason=str(error))
            wait = _AGAIN
        if not self._stopping:
            self.wake()
            self._poll_alarm = self._environment.timer.callLater(wait, self._poll_again)

    def _claimed(self) -> dict[int, list[int]]:
        """Ids of rows that lanes have claimed, by token."""
        by_token: dict[int, list[int]] = {}
        for lane in self._lanes.values():
            for each, token in lane.claimed.items():
                by_token.setdefault(token, []).append(each)
        return by_token

    def _poll_again(self) -> None:
        Deferred.fromCoroutine(self._poll()).addErrback(self._failed)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            over: Deferred[None] = Deferred()
            self._environment.timer.callLater(seconds, over.callback, None)
            await over

    def _wake_in(self, seconds: float) -> None:
        if self._stopping:
            return
        if self._due_alarm is not None and self._due_alarm.active():
            if self._due_alarm.getTime() <= self._environment.timer.seconds() + seconds:
                return
            self._due_alarm.cancel()
        self._due_alarm = self._environment.timer.callLater(seconds, self.wake)

    def _failed(self, failure: Failure) -> None:
        _log.failure("mail to the world", failure)


def _keep_leases(tx: Transaction, claimed: Mapping[int, Sequence[int]], *, frees: bool) -> None:
    for token, ids in claimed.items():
        outgoing.extend(tx, ids, token)
    if frees:
        outgoing.free(tx)
