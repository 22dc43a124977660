"""Probes one home server: often while it is down or suspect, rarely while it is up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.probing import observation
from mpcontinuity.routing.health import MANY, Observation, Proof, State

IDLE = 60.0  # seconds between the probes of a home server that is up
# Probes within the first interval after a fall, beside the usual one: whether home fails all connections, or some. One
# that serves a fifth of them is taken for one that serves none in 1 of 8 falls, and then seems to be back by two good
# probes in 1 of 25.
GLIMPSES = 9
IN_A_ROW = 20.0  # seconds that MANY good probes in a row take, beside what home needs for its answers

_log = Logger()


class Prober:
    """The probes of one home server.

    ``known_user`` gives the address for RCPT, of another user each time; ``user_taken`` is called when home would take
    mail for the last one. ``slots`` bounds the probes of all home servers together. Of several processes the one for
    which ``is_ours`` is true probes; the others ask again at the interval.
    """

    def __init__(
        self,
        home: HomeServer,
        *,
        timer: Timer,
        interval: float,
        known_user: Callable[[], Awaitable[Address | None]],
        user_taken: Callable[[], Awaitable[None]],
        is_ours: Callable[[], Awaitable[bool]],
        slots: DeferredSemaphore,
    ) -> None:
        self.home = home
        self._timer = timer
        self._interval = interval
        self._known_user = known_user
        self._user_taken = user_taken
        self._is_ours = is_ours
        self._ours = True
        self._slots = slots
        self._alarm: Alarm | None = None
        self._probing = False
        self._quick = 0  # probes left of those that follow a fall
        self._fell = (
            home.health.since if home.health.state is State.DOWN else 0
        )  # `since` of the state `down` that they are about
        self._wanted = False  # somebody vouches for home: one good probe is enough
        self._stopped = False

    def probe_now(self) -> None:
        """Probes at once, or once more after the probe that is under way. A good answer ends `down`, however many would
        be needed otherwise."""
        self._wanted = True
        self.schedule(within=0)

    def schedule(self, within: float | None = None) -> None:
        """Sets the next probe to its time, or to ``within`` seconds if that is sooner. One under way sets the next
        by itself."""
        if self._stopped or self._probing:
            return
        health = self.home.health
        if health.state is State.DOWN and health.since != self._fell:
            self._fell = health.since
            self._quick = GLIMPSES + 1
        wait = self._usual() if within is None else within
        if self._alarm is not None and self._alarm.active():
            if self._alarm.getTime() <= self._timer.seconds() + wait:
                return
            self._alarm.cancel()
        self._alarm = self._timer.callLater(wait, self._begin)

    def stop(self) -> None:
        """Probes no more."""
        self._stopped = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()

    def _usual(self) -> float:
        if self._wanted:
            return 0.0
        health = self.home.health
        if self._ours and health.state is State.DOWN:
            if self._quick:
                return min(self._interval, IDLE) / (GLIMPSES + 1)
            if health.proof is Proof.MANY and health.good_probes:
                return min(self._interval, IN_A_ROW / MANY)
        quick = not self._ours or self.home.health.state in (State.DOWN, State.SUSPECT)
        return min(self._interval, IDLE) if quick else IDLE

    def _begin(self) -> None:
        self._probing = True
        self._slots.run(lambda: Deferred.fromCoroutine(self._probe())).addErrback(self._failed)

    async def _probe(self) -> None:
        wanted, self._wanted = self._wanted, False
        try:
            self._ours = not self._stopped and await self._is_ours()
            if self._ours:
                outcome = await self._ask()
                observed = self._seen(observation(outcome))
                if wanted and observed in (Observation.PROBE_GOOD, Observation.GLIMPSE):
                    observed = Observation.WANTED_GOOD
                if not self._stopped:
                    self.home.observe(observed, outcome.text)
                if outcome.verdict is Verdict.ACCEPTED and outcome.stage is Stage.RCPT:
                    await self._user_taken()
        finally:
            self._probing = False
            self.schedule()

    def _seen(self, observed: Observation) -> Observation:
        """A good answer within moments of the fall only shows that home answers some."""
        if self.home.health.state is not State.DOWN or not self._quick:
            return observed
        self._quick -= 1
        return Observation.GLIMPSE if self._quick and observed is Observation.PROBE_GOOD else observed

    async def _ask(self) -> Outcome:
        """What is said to the first user may be the fault of one mailbox: another one is asked for before it counts."""
        user = await self._known_user()
        outcome = await self.home.probe(user)
        if outcome.stage is not Stage.RCPT or observation(outcome) is not Observation.PROBE_BAD or self._stopped:
            return outcome
        other = await self._known_user()
        return outcome if other is None or other == user else await self.home.probe(other)

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, Stopping):
            reason = failure.getErrorMessage()
            _log.error("a probe failed: {reason}", reason=reason, domain=self.home.domain, often=True)
