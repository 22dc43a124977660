"""One owed row on its way home: the attempt, and what its outcome means for the row, its user and the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import taken
from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model import address
from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.queue import due, owed
from mpcontinuity.queue.outgoing import asks
from mpcontinuity.queue.owed import Owed, event_of
from mpcontinuity.queue.schedule import delay
from mpcontinuity.redelivery.attempt import Result, attempt
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.filing import Filing
from mpcontinuity.redelivery.order import Order, User
from mpcontinuity.redelivery.progress import Reporter
from mpcontinuity.redelivery.recording import Recorder
from mpcontinuity.redelivery.run import Run
from mpcontinuity.routing import refusal
from mpcontinuity.routing.fault import closes, concerns_recipient
from mpcontinuity.routing.health import State
from mpcontinuity.routing.refusal import About

REFUSED_AGAIN = HOUR  # a refused row is not due within its run
IN_VAIN = 3  # tries of one user at which home ended the session, until all that is owed to them waits

_log = Logger()


class Sending:
    """Sends the rows that a flush has claimed. It lives in the reactor thread.

    ``may_send`` is asked before each; ``wake`` is called when a late reply may have made something due. ``reporter``
    hears of each attempt.
    """

    def __init__(
        self,
        task: Task,
        run: Run,
        order: Order,
        reporter: Reporter,
        *,
        may_send: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self._task = task
        self._environment = task.environment
        self._run = run
        self._order = order
        self._reporter = reporter
        self._may_send = may_send
        self._wake = wake
        self._recorder = Recorder(task)
        imap = task.environment.imap
        self._filing = Filing(task, imap) if imap is not None else None
        self._held_back: set[int] = set()  # rows whose final dot we did not let go

    async def send(self, row: Owed, user: User) -> None:
        """Makes one attempt with a claimed row, and records what became of it. Never raises."""
        trial = self._run.paused
        began = self._environment.timer.seconds()
        try:
            if not self._may_send():  # home went down, or we stop, while the claim was committed
                await self._recorder.give_back(row)
                return
            try:
                result = await self._attempt(row)
            except Corrupt as error:
                _log.error("not redelivered: {reason}", reason=str(error), message=show(row.body.id), owed=show(row.id))
                event = TrackingEvent(self._now(), "", 0, f"Not sent: {error}")
                await self._recorder.later(row, event, int(self._environment.retry.longest * SECOND))
                return
            await self._settle(row, user, result, began, trial=trial)
        except Exception:
            # Whether the final dot was sent is not known here: never plainly owed again.
            _log.failure("redelivery failed inside the server", message=show(row.body.id), owed=show(row.id))
            await self._doubt(row, user, None, TrackingEvent(self._now(), "", 0, "Interrupted by an internal error"))
        finally:
            self._held_back.discard(row.id)

    async def _attempt(self, row: Owed) -> Result:
        """By IMAP into its folder, where the domain has that and the message a mailbox; else by SMTP."""
        if self._filing is not None and self._task.domain.settings.home_imap:
            result = await self._filing.bring(row, partial(self._may_finish, row.id, row.token, owed.IMAP))
            if result is not None:
                return result
        if row.kind == owed.DRAFT:
            reason = "a draft goes home by IMAP alone, and its user has no mailbox there by IMAP"
            return Result(Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(450, "4.2.1", reason)), "", None)
        leave = partial(self._may_finish, row.id, row.token, owed.SMTP)
        return await attempt(self._task.home, self._environment.store.bodies, row, leave)

    async def _may_finish(self, owed_id: int, token: int, way: str) -> bool:
        """Before the final dot: what follows can only be in doubt, until home's reply to it is recorded."""
        if self._task.halted:
            self._held_back.add(owed_id)
            return False
        try:
            return await self._environment.store.run(partial(owed.in_flight, owed_id=owed_id, token=token, way=way))
        except Temporary:
            return False

    async def _settle(self, row: Owed, user: User, result: Result, began: float, *, trial: bool) -> None:
        outcome = result.outcome
        event = event_of(outcome, result.host, self._now())
        self._environment.outcomes[outcome.verdict] += 1
        self._reporter.tried(taken=outcome.verdict is Verdict.ACCEPTED)
        self._recorder.say(row, "redelivery", result.host, outcome)
        about, standing = await self._look_into(row, outcome)
        if row.id in self._held_back and outcome.verdict not in (Verdict.ACCEPTED, Verdict.DOUBTFUL):
            await self._recorder.give_back(row)
            return
        if outcome.verdict is Verdict.ACCEPTED:
            self._task.pace.good(self._environment.timer.seconds() - began)
            self._order.took(user)
            relayed = not result.dsn and asks(row.parameters, "SUCCESS")
            await self._recorder.delivered(row, event, relayed=relayed)
            await self._run.end_if_long()
        elif outcome.verdict is Verdict.DOUBTFUL:
            self._run.slow_down(outcome, self._order.vain(user), began)
            await self._doubt(row, user, result.late, event, result.host)
        elif about is not None and self._run.counts(about, standing):
            self._order.vain(user)
            await self._recorder.later(row, event, REFUSED_AGAIN, run=self._run.refused(), stage=outcome.stage)
        else:
            await self._not_now(row, user, outcome, event, began)
        if about is About.US and self._task.home.health.state is State.DOWN:
            return  # it was to show whether home is back; there is no flush to be paused
        await self._run.judge(outcome, row.recipient, trial=trial, about=about, standing=standing)

    async def _look_into(self, row: Owed, outcome: Outcome) -> tuple[About | None, Standing | None]:
        """What a refusal is about, and what is known of an address that home does not take."""
        if outcome.reply is None or not outcome.reply.permanent:
            return None, None
        about = refusal.about(outcome)
        self._environment.refusals[about] += 1
        if about is not About.ADDRESS and not (about is About.UNCLEAR and outcome.stage is Stage.RCPT):
            return about, None
        known = partial(taken.standing, domain=self._task.domain.id, key=address.parse(row.recipient).key)
        try:
            return about, await self._environment.store.read(known)
        except Temporary:  # in doubt it is owed
            return About.UNCLEAR, None

    async def _not_now(self, row: Owed, user: User, outcome: Outcome, event: TrackingEvent, began: float) -> None:
        """It waits; with the others of its user, where home ends the session whenever that one is asked for."""
        in_vain, wait = self._order.vain(user), self._delay(row)
        if outcome.verdict is not Verdict.REFUSED:
            self._run.slow_down(outcome, in_vain, began)
        elif not self._run.paused:
            _log.warn(
                "the home server of {domain} refuses a message to <{recipient}>, which stays owed: {reply}",
                domain=self._task.domain.name,
                recipient=row.recipient,
                reply=outcome.text,
                owed=show(row.id),
                often=True,
            )
        await self._recorder.later(row, event, wait, stage=outcome.stage)
        if in_vain >= IN_VAIN and closes(outcome) and concerns_recipient(outcome):
            put_off = partial(due.put_off, user=user, next_attempt=self._now() + wait)
            await self._task.in_steps(put_off, due.STEP)
            self._order.put_off(user)

    async def _doubt(
        self, row: Owed, user: User, late: Deferred[Outcome] | None, event: TrackingEvent, host: str = ""
    ) -> None:
        recorded = await self._recorder.doubt(row, event, self._delay(row), waiting=late is not None)
        if recorded and late is not None:
            Deferred.fromCoroutine(self._late(row, user, late, host))

    async def _late(self, row: Owed, user: User, late: Deferred[Outcome], host: str) -> None:
        outcome = await late
        if outcome.verdict is Verdict.ACCEPTED:
            self._order.took(user)
            self._reporter.tried(taken=True)
        await self._recorder.late(row, outcome, host, self._delay(row), paused=self._run.paused)
        self._wake()

    def _delay(self, row: Owed) -> int:
        return delay(row.attempts + 1, self._environment.retry, self._environment.randomness)

    def _now(self) -> int:
        return self._environment.store.clock.now()
