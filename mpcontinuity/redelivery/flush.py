"""The flush of one domain: claims what is due, sends it at the pace that home bears, and records what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import taken
from mpcontinuity.accounts.directory import Domain
from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model import address
from mpcontinuity.model.clock import HOUR, MINUTE, SECOND
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.queue import due, owed, refusals
from mpcontinuity.queue.due import Due
from mpcontinuity.queue.outgoing import asks
from mpcontinuity.queue.owed import Owed, event_of
from mpcontinuity.queue.schedule import delay
from mpcontinuity.redelivery.attempt import Result, attempt
from mpcontinuity.redelivery.order import Order
from mpcontinuity.redelivery.pace import Pace, Paces
from mpcontinuity.redelivery.pausing import Pausing, Step
from mpcontinuity.redelivery.recording import STORE_AGAIN, Recorder
from mpcontinuity.routing import refusal
from mpcontinuity.routing.fault import closes, concerns_recipient, throttles
from mpcontinuity.routing.health import Gate, Observation, State
from mpcontinuity.routing.refusal import About
from mpcontinuity.store.store import Store

FLUSH = "flush"  # the kind of election: of several processes one sends what is owed to a domain
RUN = 30 * MINUTE  # a longer run of the flush is judged in parts
REFUSED_AGAIN = HOUR  # a refused row is not due within its run
_PLANNED = 5000  # rows known in memory
IN_VAIN = 3  # tries of one user at which home ended the session, until all that is owed to them waits
_SUSPICION_AGAIN = 5.0
_SOONEST = 0.05
_ELECTION_AGAIN = 5.0

_log = Logger()


@dataclass(frozen=True, slots=True)
class Means:
    """What every flush works with."""

    store: Store
    timer: Timer
    randomness: Randomness
    retry: Retry
    paces: Paces
    outcomes: Counter[Verdict] = field(default_factory=Counter)  # of all attempts
    refusals: Counter[About] = field(default_factory=Counter)  # what they were about


class Flush:
    """In the reactor thread. `wake` whenever something may have changed; it does nothing where nothing is to do."""

    def __init__(self, means: Means, domain: Domain, home: HomeServer) -> None:
        self.domain = domain
        self.home = home
        self.active: dict[int, Owed] = {}
        self._means = means
        self._order = Order()
        self._pausing = Pausing(means.retry)
        self._recorder = Recorder(means.store, means.timer, lambda: self.domain.name)
        self._place = due.START
        self._all_planned = False
        self._new = True  # something was taken in, or `paused` may have changed, since the table was read
        self._recovering = False  # all that is owed is to be tried once
        self._ours = False  # by election
        self._ask_again = 0.0  # whether it is ours
        self._looking = self._look_again = False
        self._stopping = False
        self._timer: Alarm | None = None
        self._not_before = 0.0  # after a throttle
        self._run = self._run_ends = 0
        self._stopped: list[Deferred[None]] = []
        self._held_back: set[int] = set()  # whose final dot we did not let go
        self._writing_pause = False
        self._start_run()

    def wake(self, *, new: bool = False) -> None:
        """``new``: rows were taken in or reopened, or an administrator resumed the flush."""
        self._new = self._new or new
        if self._looking:
            self._look_again = True
        elif self._may_send():
            self._looking = True
            Deferred.fromCoroutine(self._look())

    def recovering(self) -> None:
        """Home is back: all that is owed is due now, and the pace starts over."""
        self._recovering = True
        self._pausing.home_was_away()
        self._order.start_over()
        self._pace.begin_anew()
        self._pace.unfinished.update(self.home.domains)
        self._not_before = 0.0
        self.wake(new=True)

    def election_lost(self) -> None:
        """Another process may send by now. What is under way here goes on: its leases are ours."""
        self._ours = False
        self._ask_again = 0.0
        self.wake()

    def stop(self) -> Deferred[None]:
        """No new claims. Fires when every message under way has its outcome recorded."""
        self._stopping = self._recorder.stopping = True
        self._cancel_timer()
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        self._maybe_stopped()
        return stopped

    # What to do next

    async def _look(self) -> None:
        try:
            while await self._elected():
                self._look_again = False
                await self._step()
                if not self._look_again or self._stopping:
                    return
        except Stopping:
            pass
        except Temporary as error:
            _log.warn("redelivery to {domain} waits: {error}", domain=self.domain.name, error=str(error), often=True)
            self._new = True
            self._wake_in(STORE_AGAIN)
        except Exception:
            _log.failure("redelivery to {domain} failed and begins anew", domain=self.domain.name)
            self._new = True
            self._wake_in(STORE_AGAIN)
        finally:
            self._looking = False
            self._maybe_stopped()

    async def _elected(self) -> bool:
        """Whether this process sends: one order and one pace for each home server, however many processes there are."""
        if self._ours:
            return True
        if self._means.timer.seconds() < self._ask_again:
            return False  # the timer is set
        self._ours = await self._means.store.election.hold(FLUSH, self.domain.id)
        if not self._ours:
            self._pace.unfinished.discard(self.domain.id)  # that is another process's
        if self._ours:
            self._take_over()
        elif await self._means.store.read(partial(due.next_due, domain=self.domain.id)) is not None:
            self._ask_again = self._means.timer.seconds() + _ELECTION_AGAIN
            self._wake_in(_ELECTION_AGAIN)
        return self._ours

    def _take_over(self) -> None:
        """Nothing is known of what another process did since this one sent last."""
        self._recovering = self.home.health.state is State.RECOVERING
        self._new = True
        self._order.start_over()
        self._pausing.home_was_away()
        self._pace.begin_anew()

    async def _step(self) -> None:
        """Begins as many messages as the pace allows."""
        while self._ours and self._may_send():
            if self._recovering:
                await self._make_all_due()
            if self._new:
                await self._read_again()
            room = self._room()
            now = self._means.timer.seconds()
            if room <= 0:
                return
            if now < self._not_before:
                self._wake_in(self._not_before - now)
                return
            pace = self._pace
            rows = await self._planned(room, pace)
            if not rows:
                if not self.active and not self._new:
                    await self._nothing_left()
                return
            await self._begin(rows, pace)

    async def _make_all_due(self) -> None:
        self._recovering = False
        try:
            await self._in_steps(due.make_due, due.STEP)
        except BaseException:
            self._recovering = True
            raise
        self._order.clear()

    def _may_send(self) -> bool:
        if self._stopping or self.domain.mode(self._now()) == "enabled":
            return False
        if self.home.gate() is Gate.SHUT:
            if self.home.health.state is not State.DOWN:  # another message tries it
                self._wake_in(_SUSPICION_AGAIN)
            return False
        return True

    def _room(self) -> int:
        """How many messages more may be under way: one at all while home is suspect, or the flush paused."""
        one = bool(self._pausing.reason) or self.home.gate() is Gate.TRY
        room = self._pace.room(self)
        return min(room, 1 - len(self.active)) if one else room

    async def _read_again(self) -> None:
        self._new = False
        self._all_planned = False
        self._place = due.START
        if self._writing_pause:  # what the table says is about to change
            return
        was = self._pausing.reason
        reason = await self._means.store.read(partial(refusals.paused, domain=self.domain.id))
        if reason and not was:  # of an earlier process
            self._pausing.pause(reason)
        elif was and not reason:  # an administrator resumed it
            self._pausing.start_over()
            self._not_before = 0.0

    async def _planned(self, room: int, pace: Pace) -> list[Due]:
        """What is next, with so much of the pace taken for it."""
        pace.take(self, room)
        taken = 0
        try:
            rows = await self._next(room)
            taken = len(rows)
        finally:
            pace.give(room - taken)
        return rows

    async def _next(self, room: int) -> list[Due]:
        while True:
            rows = self._order.take(room)
            if rows or self._all_planned or len(self._order) >= _PLANNED:
                return rows
            page = await self._means.store.read(partial(due.due, domain=self.domain.id, after=self._place))
            self._order.add(row for row in page if row.id not in self.active)
            self._all_planned = len(page) < due.PAGE
            if page:
                self._place = page[-1].place

    async def _begin(self, rows: list[Due], pace: Pace) -> None:
        give_up = int(self._means.retry.give_up * SECOND)
        users = {row.id: row.user for row in rows}
        try:
            claimed = await self._means.store.run(partial(owed.claim, ids=list(users), give_up=give_up))
        except BaseException:
            pace.give(len(rows))
            for user in users.values():
                self._order.done(user)
            raise
        for row in claimed:
            self.active[row.id] = row
            Deferred.fromCoroutine(self._deliver(row, users.pop(row.id), pace))
        pace.give(len(users))
        for user in users.values():  # ended at the claim, or no longer due
            self._order.done(user)

    async def _nothing_left(self) -> None:
        """The run is over: its refusals count, and a home that was recovering is up."""
        if self._pausing.reason:
            self._wake_in(self._pausing.interval)
        else:
            await self._end_run()
            if self._ours and self.home.health.state is State.RECOVERING and not self._new and not self._recovering:
                self._pace.unfinished.discard(self.domain.id)
                if not self._pace.unfinished:
                    self.home.observe(Observation.FLUSHED)
        wait = await self._means.store.read(partial(due.next_due, domain=self.domain.id))
        self._all_planned = False
        self._place = due.START
        if wait is not None:
            self._wake_in(max(wait / SECOND, _SOONEST))

    # One message

    async def _deliver(self, row: Owed, user: int | str, pace: Pace) -> None:
        trial = bool(self._pausing.reason)
        began = self._means.timer.seconds()
        try:
            if not self._may_send():  # home went down, or we stop, while the claim was committed
                await self._recorder.give_back(row)
                return
            try:
                result = await attempt(
                    self.home, self._means.store.bodies, row, partial(self._may_finish, row.id, row.token)
                )
            except Corrupt as error:
                _log.error("not redelivered: {reason}", reason=str(error), message=show(row.body.id), owed=show(row.id))
                event = TrackingEvent(self._now(), "", 0, f"Not sent: {error}")
                await self._recorder.later(row, event, int(self._means.retry.longest * SECOND))
                return
            await self._settle(row, user, result, self._means.timer.seconds() - began, trial=trial)
        except Exception:
            # Whether the final dot was sent is not known here: never plainly owed again.
            _log.failure("redelivery failed inside the server", message=show(row.body.id), owed=show(row.id))
            await self._doubt(row, user, None, TrackingEvent(self._now(), "", 0, "Interrupted by an internal error"))
        finally:
            self.active.pop(row.id, None)
            self._held_back.discard(row.id)
            self._order.done(user)
            pace.give(1)
            self.wake()
            self._maybe_stopped()

    async def _may_finish(self, owed_id: int, token: int) -> bool:
        """Before the final dot: what follows can only be in doubt, until home's reply to it is recorded."""
        if self._stopping or self.domain.mode(self._now()) == "enabled":
            self._held_back.add(owed_id)
            return False
        try:
            return await self._means.store.run(partial(owed.in_flight, owed_id=owed_id, token=token))
        except Temporary:
            return False

    async def _settle(self, row: Owed, user: int | str, result: Result, seconds: float, *, trial: bool) -> None:
        outcome = result.outcome
        event = event_of(outcome, result.host, self._now())
        self._means.outcomes[outcome.verdict] += 1
        self._recorder.say(row, "redelivery", result.host, outcome)
        about, standing = await self._look_into(row, outcome)
        if row.id in self._held_back and outcome.verdict not in (Verdict.ACCEPTED, Verdict.DOUBTFUL):
            await self._recorder.give_back(row)
            return
        if outcome.verdict is Verdict.ACCEPTED:
            self._pace.ramp.good(seconds)
            self._order.took(user)
            relayed = not result.dsn and asks(row.parameters, "SUCCESS")
            await self._recorder.delivered(row, event, relayed=relayed)
            if self._run_ends < self._now():
                await self._end_run()
        elif outcome.verdict is Verdict.DOUBTFUL:
            self._slow(outcome, self._order.vain(user))
            await self._doubt(row, user, result.late, event, result.host)
        elif about is not None and self._pausing.counts(about, standing):
            self._order.vain(user)
            self._refused = True
            await self._recorder.later(row, event, REFUSED_AGAIN, run=self._run, stage=outcome.stage)
        else:
            await self._not_now(row, user, outcome, event)
        await self._judge(row, outcome, trial=trial, about=about, standing=standing)

    async def _look_into(self, row: Owed, outcome: Outcome) -> tuple[About | None, Standing | None]:
        """What a refusal is about, and what is known of an address that home does not take."""
        if outcome.reply is None or not outcome.reply.permanent:
            return None, None
        about = refusal.about(outcome)
        self._means.refusals[about] += 1
        if about is not About.ADDRESS and not (about is About.UNCLEAR and outcome.stage is Stage.RCPT):
            return about, None
        key = address.parse(row.recipient).key
        try:
            return about, await self._means.store.read(partial(taken.standing, domain=self.domain.id, key=key))
        except Temporary:  # in doubt it is owed
            return About.UNCLEAR, None

    async def _not_now(self, row: Owed, user: int | str, outcome: Outcome, event: TrackingEvent) -> None:
        """It waits; with the others of its user, where home ends the session whenever that one is asked for."""
        in_vain, wait = self._order.vain(user), self._delay(row)
        if outcome.verdict is not Verdict.REFUSED:
            self._slow(outcome, in_vain)
        elif not self._pausing.reason:
            _log.warn(
                "the home server of {domain} refuses a message to <{recipient}>, which stays owed: {reply}",
                domain=self.domain.name,
                recipient=row.recipient,
                reply=outcome.text,
                owed=show(row.id),
                often=True,
            )
        await self._recorder.later(row, event, wait, stage=outcome.stage)
        if in_vain >= IN_VAIN and closes(outcome) and concerns_recipient(outcome):
            at = self._now() + wait
            await self._in_steps(partial(due.put_off, user=user, next_attempt=at), due.STEP)
            self._order.put_off(user)

    async def _judge(
        self, row: Owed, outcome: Outcome, *, trial: bool, about: About | None, standing: Standing | None
    ) -> None:
        step = self._pausing.judge(outcome, row.recipient, trial=trial, about=about, standing=standing)
        if step is Step.PAUSE:
            await self._pause(outcome.text)
        elif step is Step.RESUME:
            await self._resume()
        elif trial and self._pausing.reason:
            self._pausing.tried()
            self._not_before = self._means.timer.seconds() + self._pausing.interval

    async def _doubt(
        self, row: Owed, user: int | str, late: Deferred[Outcome] | None, event: TrackingEvent, host: str = ""
    ) -> None:
        recorded = await self._recorder.doubt(row, event, self._delay(row), waiting=late is not None)
        if recorded and late is not None:
            Deferred.fromCoroutine(self._late(row, user, late, host))

    async def _late(self, row: Owed, user: int | str, late: Deferred[Outcome], host: str) -> None:
        outcome = await late
        if outcome.verdict is Verdict.ACCEPTED:
            self._order.took(user)
        await self._recorder.late(row, outcome, host, self._delay(row), paused=bool(self._pausing.reason))
        self.wake(new=True)

    # Pause, pace and time

    def _start_run(self) -> None:
        self._run = self._means.store.identifiers.next()
        self._refused = False  # whether this run has refusals to be judged
        self._run_ends = self._now() + RUN

    async def _end_run(self) -> None:
        run, refused = self._run, self._refused
        self._start_run()
        if refused:
            await self._in_steps(partial(refusals.fail_refused, run=run), refusals.STEP)

    async def _pause(self, reason: str) -> None:
        self._pausing.pause(reason)
        _log.warn("redelivery to {domain} paused: {reason}", domain=self.domain.name, reason=reason)
        run = self._run
        self._start_run()
        self._not_before = self._means.timer.seconds() + self._pausing.interval
        await self._write_pause(reason)
        at = self._now() + int(self._pausing.interval * SECOND)
        await self._in_steps(partial(refusals.forgive_refused, run=run, next_attempt=at), refusals.STEP)

    async def _resume(self) -> None:
        _log.info("redelivery to {domain} resumed: a message was taken", domain=self.domain.name)
        self._pausing.resume()
        self._pace.begin_anew()
        await self._write_pause("")

    async def _write_pause(self, reason: str) -> None:
        self._writing_pause = True
        try:
            await self._means.store.run(partial(refusals.pause, domain=self.domain.id, reason=reason))
        finally:
            self._writing_pause = False

    async def _in_steps(self, work: Callable[..., int], step: int) -> None:
        """``work(tx, domain=…)`` in the bulk lane, again and again while it does a whole step of rows."""
        while await self._means.store.run(partial(work, domain=self.domain.id), bulk=True) >= step:
            pass

    def _slow(self, outcome: Outcome, in_vain: int) -> None:
        if in_vain > 1 and closes(outcome) and concerns_recipient(outcome):
            return  # of the same user again: others need not wait for that
        self._pace.ramp.slow(throttled=throttles(outcome))
        if self._pace.ramp.wait:
            self._not_before = self._means.timer.seconds() + self._pace.ramp.wait

    @property
    def _pace(self) -> Pace:
        return self._means.paces.of(self.home)

    def _delay(self, row: Owed) -> int:
        return delay(row.attempts + 1, self._means.retry, self._means.randomness)

    def _now(self) -> int:
        return self._means.store.clock.now()

    def _wake_in(self, seconds: float) -> None:
        if self._stopping:
            return
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= self._means.timer.seconds() + seconds:
                return
            self._timer.cancel()
        self._timer = self._means.timer.callLater(seconds, self.wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _maybe_stopped(self) -> None:
        if self._stopping and not self.active and not self._looking:
            if self._ours:
                self._ours = False
                self._means.store.election.release(FLUSH, self.domain.id)
            stopped, self._stopped = self._stopped, []
            for each in stopped:
                each.callback(None)
