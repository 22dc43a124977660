"""The run of a flush, from its first message to its last: what its refusals come to, and when it pauses or waits.

A refusal fails its message when the run ends without a pause, and a pause forgives all of its run (contract
'Recovery').
"""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from mpcontinuity.accounts import home_state
from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.capacity import says_limit
from mpcontinuity.queue import refusals
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.pausing import Pausing, Step
from mpcontinuity.routing.fault import closes, concerns_recipient, throttles
from mpcontinuity.routing.refusal import About

LONGEST = 30 * MINUTE  # a longer run is judged in parts

_log = Logger()


class Run:
    """The run that a flush is in; the next one begins where it ends. It lives in the reactor thread.

    Its methods raise Temporary where the store cannot be asked. ``not_before`` is the timer's time until which nothing
    is begun in a pause. ``id`` is what the rows bear that it was refused.
    """

    def __init__(self, task: Task) -> None:
        self.not_before = 0.0
        self._task = task
        self._environment = task.environment
        self._pausing = Pausing(task.environment.retry)
        self._writing_pause = False
        self._begin()

    def _begin(self) -> None:
        self.id = self._environment.store.identifiers.next()
        self._refused = False  # whether it has refusals to be judged
        self._ends = self._environment.store.clock.now() + LONGEST

    # Refusals

    def counts(self, about: About, standing: Standing | None) -> bool:
        """Returns whether such a refusal is the message's own, and fails it when the run ends without a pause."""
        return self._pausing.counts(about, standing)

    def refused(self) -> int:
        """Notes that the run has a refusal that counts, and returns the run's id, which its row is to bear."""
        self._refused = True
        return self.id

    async def end(self) -> None:
        """Fails what was refused in it, and begins the next run."""
        run, refused = self.id, self._refused
        self._begin()
        if refused:
            await self._task.in_steps(partial(refusals.fail_refused, run=run), refusals.STEP)

    async def end_if_long(self) -> None:
        """Ends it where it has lasted for LONGEST."""
        if self._ends < self._environment.store.clock.now():
            await self.end()

    # The pause

    @property
    def paused(self) -> bool:
        return bool(self._pausing.reason)

    @property
    def interval(self) -> float:
        """Seconds between the tries of a paused flush."""
        return self._pausing.interval

    def home_was_away(self) -> None:
        """Whatever is refused from now on is news; a pause stands."""
        self._pausing.home_was_away()

    async def read_pause(self) -> None:
        """Adopts what the table says, as an earlier process left it or an administrator has changed it."""
        if self._writing_pause:  # what the table says is about to change
            return
        reason = await self._environment.store.read(partial(home_state.paused, domain=self._task.domain.id))
        if reason and not self.paused:
            self._pausing.pause(reason)
        elif self.paused and not reason:  # an administrator resumed it
            self._pausing.start_over()
            self.not_before = 0.0

    async def judge(
        self, outcome: Outcome, recipient: str, *, trial: bool, about: About | None, standing: Standing | None
    ) -> None:
        """Pauses or resumes the flush, where the outcome of an attempt asks for it (`Pausing.judge`)."""
        step = self._pausing.judge(outcome, recipient, trial=trial, about=about, standing=standing)
        if step is Step.PAUSE:
            await self._pause(outcome.text)
        elif step is Step.RESUME:
            await self._resume()
        elif trial and self.paused:
            self._pausing.tried()
            self.not_before = self._environment.timer.seconds() + self.interval

    async def _pause(self, reason: str) -> None:
        self._pausing.pause(reason)
        _log.warn("redelivery to {domain} paused: {reason}", domain=self._task.domain.name, reason=reason)
        run = self.id
        self._begin()
        self.not_before = self._environment.timer.seconds() + self.interval
        await self._write_pause(reason)
        at = self._environment.store.clock.now() + int(self.interval * SECOND)
        await self._task.in_steps(partial(refusals.forgive_refused, run=run, next_attempt=at), refusals.STEP)

    async def _resume(self) -> None:
        _log.info("redelivery to {domain} resumed: a message was taken", domain=self._task.domain.name)
        self._pausing.resume()
        self._task.pace.begin_anew()
        await self._write_pause("")

    async def _write_pause(self, reason: str) -> None:
        self._writing_pause = True
        try:
            work = partial(home_state.pause, domain=self._task.domain.id, reason=reason)
            await self._environment.store.run(work)
        finally:
            self._writing_pause = False

    # The pace

    def slow_down(self, outcome: Outcome, in_vain: int, began: float) -> None:
        """Slows the pace after a 4xx or no answer to a message that was begun at ``began``; ``in_vain``: tries of that
        user in a row, with this one."""
        if in_vain > 1 and closes(outcome) and concerns_recipient(outcome):
            return  # of the same user again: others need not wait for that
        said = throttles(outcome) or (outcome.reply is not None and says_limit(outcome.reply))
        # Who is silent to a message has taken its time already: one mailbox that is slow is no throttle.
        throttled = said and outcome.verdict is not Verdict.DOUBTFUL
        self._task.pace.slow(began, outcome.text if throttled else "")
