"""The flush of one domain: it claims what is due and has it sent, as many rows at once as home bears."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.timer import Alarm
from mpcontinuity.queue import drafts, due, owed
from mpcontinuity.queue.due import Due
from mpcontinuity.queue.owed import Owed
from mpcontinuity.redelivery.backlog import Backlog
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.order import User
from mpcontinuity.redelivery.pace import Pace
from mpcontinuity.redelivery.progress import Reporter
from mpcontinuity.redelivery.recording import STORE_AGAIN
from mpcontinuity.redelivery.run import Run
from mpcontinuity.redelivery.sending import Sending
from mpcontinuity.routing.health import Gate, Observation, Proof, State

FLUSH = "flush"  # the kind of election: of several processes one sends what is owed to a domain
_SUSPICION_AGAIN = 5.0  # seconds until a suspect home is looked at again
_SOONEST = 0.05  # seconds
_ELECTION_AGAIN = 5.0  # seconds until a process that lost the election asks again

_log = Logger()


class Flush:
    """The flush of one domain. It lives in the reactor thread.

    `wake` it whenever something may have changed; it does nothing where nothing is to do. ``active`` are the rows under
    way, by their ids.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.active: dict[int, Owed] = {}
        self._environment = task.environment
        self._backlog = Backlog(task.environment.store, task.domain.id)
        self._run = Run(task)
        self._reporter = Reporter(task)
        self._sending = Sending(
            task,
            self._run,
            self._backlog.order,
            self._reporter,
            may_send=self._may_send,
            wake=partial(self.wake, new=True),
        )
        self._new = True  # something was taken in, or the pause may have changed, since the table was read
        self._recovering = False  # all that is owed is to be tried once
        self._drafts = False  # those that users wrote meanwhile are owed, too, once something may be sent
        self._ours = False  # by election
        self._ask_again = 0.0  # whether it is ours
        self._looking = self._look_again = False
        self._timer: Alarm | None = None
        self._stopped: list[Deferred[None]] = []

    def wake(self, *, new: bool = False) -> None:
        """Looks whether something is to be sent; ``new``: rows were taken in or reopened, or an administrator resumed
        the flush."""
        self._new = self._new or new
        if self._looking:
            self._look_again = True
        elif self._may_send():
            self._looking = True
            Deferred.fromCoroutine(self._look())

    def recovering(self) -> None:
        """Home is back: all that is owed is due now, and the pace starts over."""
        self._recovering = self._drafts = True
        self._run.home_was_away()
        self._backlog.order.start_over()
        self._pace.begin_anew()
        self._pace.unfinished.update(self.task.home.domains)
        self._run.not_before = 0.0
        self.wake(new=True)

    def election_lost(self) -> None:
        """Another process may send by now. What is under way here goes on: its leases are ours."""
        self._ours = False
        self._ask_again = 0.0
        self.wake()

    def stop(self) -> Deferred[None]:
        """Claims nothing more. The Deferred fires when every message under way has its outcome recorded."""
        self.task.stopping = True
        self._reporter.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        self._maybe_stopped()
        return stopped

    def _maybe_stopped(self) -> None:
        if self.task.stopping and not self.active and not self._looking:
            if self._ours:
                self._ours = False
                self._environment.store.election.release(FLUSH, self.task.domain.id)
            stopped, self._stopped = self._stopped, []
            for each in stopped:
                each.callback(None)

    # What to do next

    async def _look(self) -> None:
        try:
            while await self._elected():
                self._look_again = False
                await self._step()
                if not self._look_again or self.task.stopping:
                    return
        except Stopping:
            pass
        except Temporary as error:
            domain = self.task.domain.name
            _log.warn("redelivery to {domain} waits: {error}", domain=domain, error=str(error), often=True)
            self._new = True
            self._wake_in(STORE_AGAIN)
        except Exception:
            _log.failure("redelivery to {domain} failed and begins anew", domain=self.task.domain.name)
            self._new = True
            self._wake_in(STORE_AGAIN)
        finally:
            self._looking = False
            self._maybe_stopped()

    async def _elected(self) -> bool:
        """Whether this process sends: one order and one pace for each home server, however many processes there are."""
        if self._ours:
            return True
        if self._environment.timer.seconds() < self._ask_again:
            return False  # the timer is set
        store, domain = self._environment.store, self.task.domain.id
        self._ours = await store.election.hold(FLUSH, domain)
        if not self._ours:
            self._pace.unfinished.discard(domain)  # that is another process's
        if self._ours:
            self._take_over()
        elif await store.read(partial(due.next_due, domain=domain)) is not None:
            self._ask_again = self._environment.timer.seconds() + _ELECTION_AGAIN
            self._wake_in(_ELECTION_AGAIN)
        return self._ours

    def _take_over(self) -> None:
        """Nothing is known of what another process did since this one sent last."""
        self._recovering = self.task.home.health.state is State.RECOVERING
        self._drafts = self._drafts or self._recovering
        self._new = True
        self._backlog.order.start_over()
        self._run.home_was_away()
        self._pace.begin_anew()

    async def _step(self) -> None:
        """Begins as many messages as the pace allows."""
        while self._ours and self._may_send():
            if self._recovering:
                await self._make_all_due()
            if self._drafts:
                await self._owe_drafts()
            if self._new:
                self._new = False
                self._backlog.read_again()
                await self._run.read_pause()
            room = self._room()
            now = self._environment.timer.seconds()
            if room <= 0:
                return
            down = self.task.home.health.state is State.DOWN  # and this is the message that may show otherwise
            if now < self._run.not_before and not down:
                self._wake_in(self._run.not_before - now)
                return
            pace = self._pace
            rows = await self._taken(room, pace)
            if not rows and down and not self.active and await self._make_one_due():
                rows = await self._taken(room, pace)
            if not rows:
                if not self.active and not self._new:
                    await self._nothing_left()
                return
            await self._begin(rows, pace)

    async def _make_one_due(self) -> bool:
        """The message that is to show whether home is back does not wait for its time.

        What home has refused for good shows nothing: where nothing else is left the run ends, and judges that.
        """
        work = partial(due.make_next_due, domain=self.task.domain.id, run=self._run.id)
        made = await self._environment.store.run(work)
        self._backlog.read_again()
        return made

    async def _make_all_due(self) -> None:
        self._recovering = False
        try:
            await self.task.in_steps(due.make_due, due.STEP)
        except BaseException:
            self._recovering = True
            raise
        self._backlog.order.clear()

    async def _owe_drafts(self) -> None:
        """By SMTP a draft cannot go home: there it would be mail that somebody sent."""
        if self._environment.imap is not None and self.task.domain.settings.home_imap:
            store, domain, after = self._environment.store, self.task.domain.id, 0
            while found := await store.read(partial(drafts.unowed, domain=domain, after=after)):
                await store.run(partial(drafts.owe, domain=domain, drafts=found), bulk=True)
                after = found[-1].entry
        self._drafts = False

    def _may_send(self) -> bool:
        if self.task.halted:
            self._drafts = True
            return False
        if self.task.home.gate() is Gate.SHUT:
            if not self._only_probed():  # another message tries it
                self._wake_in(_SUSPICION_AGAIN)
            return False
        return True

    def _only_probed(self) -> bool:
        """Whether home is down, and needs no message of ours to show that it is back."""
        health = self.task.home.health
        return health.state is State.DOWN and health.proof is not Proof.MESSAGE

    def _room(self) -> int:
        """How many messages more may be under way: one at all while home is suspect, or the flush paused."""
        one = self._run.paused or self.task.home.gate() is Gate.TRY
        room = self._pace.room(self)
        return min(room, 1 - len(self.active)) if one else room

    async def _taken(self, room: int, pace: Pace) -> list[Due]:
        """What is next, with so much of the pace taken for it."""
        pace.take(self, room)
        taken = 0
        try:
            rows = await self._backlog.take(room, self.active, self.task.spared)
            taken = len(rows)
        finally:
            pace.give_back(room - taken)
        return rows

    async def _begin(self, rows: list[Due], pace: Pace) -> None:
        give_up = int(self._environment.retry.give_up * SECOND)
        users = {row.id: row.user for row in rows}
        try:
            claim = partial(owed.claim, ids=list(users), give_up=give_up, spared=self.task.spared)
            claimed = await self._environment.store.run(claim)
        except BaseException:
            self._not_begun(users, pace)
            raise
        for row in claimed:
            self.active[row.id] = row
            Deferred.fromCoroutine(self._send(row, users.pop(row.id), pace))
        self._not_begun(users, pace)  # ended at the claim, or no longer due

    def _not_begun(self, users: dict[int, User], pace: Pace) -> None:
        pace.give_back(len(users))
        for user in users.values():
            self._backlog.order.done(user)

    async def _send(self, row: Owed, user: User, pace: Pace) -> None:
        try:
            await self._sending.send(row, user)
        finally:
            self.active.pop(row.id, None)
            self._backlog.order.done(user)
            pace.give(1)
            self.wake()
            self._maybe_stopped()

    async def _nothing_left(self) -> None:
        """The run is over: its refusals count, and a home that was recovering is up."""
        home = self.task.home
        if self._run.paused:
            self._wake_in(self._run.interval)
        else:
            await self._run.end()
            await self._reporter.over()
            if self._ours and home.health.state is State.RECOVERING and not self._new and not self._recovering:
                self._pace.unfinished.discard(self.task.domain.id)
                if not self._pace.unfinished:
                    home.observe(Observation.FLUSHED)
        next_due = partial(due.next_due, domain=self.task.domain.id, spared=self.task.spared)
        wait = await self._environment.store.read(next_due)
        self._backlog.read_again()
        if wait is not None:
            self._wake_in(max(wait / SECOND, _SOONEST))

    @property
    def _pace(self) -> Pace:
        return self.task.pace

    def _wake_in(self, seconds: float) -> None:
        if self.task.stopping:
            return
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= self._environment.timer.seconds() + seconds:
                return
            self._timer.cancel()
        self._timer = self._environment.timer.callLater(seconds, self.wake)
