"""What became of one attempt goes into its row: it must not be forgotten because the store fails just now."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.timer import Timer
from mpcontinuity.queue import owed
from mpcontinuity.queue.owed import Owed
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STORE_AGAIN = 5.0  # seconds, after a failure of the store

_log = Logger()


class Recorder:
    """Of one flush; in the reactor thread. Every method returns False where the lease was lost meanwhile, or we stop:
    an unrecorded row is in doubt at the next start."""

    def __init__(self, store: Store, timer: Timer, domain: Callable[[], str]) -> None:
        self.stopping = False
        self._store = store
        self._timer = timer
        self._domain = domain

    async def delivered(self, row: Owed, event: TrackingEvent, *, relayed: bool) -> bool:
        work = partial(owed.finish, owed_id=row.id, token=row.token, outcome=DELIVERED, event=event)
        recorded = await self._record(partial(work, relayed=relayed))
        self._store.bodies.note(row.body, {row.recipient: DELIVERED})
        return recorded

    async def give_back(self, row: Owed) -> bool:
        """Nothing was sent of it."""
        return await self._record(partial(owed.give_back, owed_id=row.id, token=row.token))

    async def later(
        self, row: Owed, event: TrackingEvent, wait: int, *, run: int = 0, stage: Stage = Stage.CONNECT
    ) -> bool:
        """It is owed again in ``wait`` µs; with ``run`` it is refused, and fails when that run ends without a pause."""
        work = partial(
            owed.try_later,
            owed_id=row.id,
            token=row.token,
            event=event,
            next_attempt=self._store.clock.now() + wait,
            run=run,
            doubted=row.doubted and stage is not Stage.MESSAGE,  # a reply to the final dot ends the doubt
        )
        return await self._record(work)

    async def doubt(self, row: Owed, event: TrackingEvent, wait: int, *, waiting: bool) -> bool:
        """Home may have it. ``waiting``: its late reply follows, by `late`."""
        work = partial(
            owed.doubt,
            owed_id=row.id,
            token=row.token,
            event=event,
            next_attempt=self._store.clock.now() + wait,
            waiting=waiting,
        )
        return await self._record(work)

    async def late(self, row: Owed, outcome: Outcome, host: str, wait: int, *, paused: bool) -> bool:
        self.say(row, "late reply to redelivery", host, outcome)
        if outcome.verdict is Verdict.ACCEPTED:
            self._store.bodies.note(row.body, {row.recipient: DELIVERED})
        work = partial(
            owed.late_reply,
            owed_id=row.id,
            token=row.token,
            outcome=outcome,
            host=host,
            next_attempt=self._store.clock.now() + wait,
            paused=paused,
        )
        return await self._record(work)

    def say(self, row: Owed, what: str, host: str, outcome: Outcome) -> None:
        """``message`` is the id that the message has had since it came in, ``owed`` the one that home is told."""
        _log.info(
            "{what} {number} from <{sender}> to <{recipient}> at {host}: {verdict}: {reply}",
            message=show(row.body.id),
            owed=show(row.id),
            what=what,
            number=row.attempts + 1,
            sender=row.reverse_path,
            recipient=row.recipient,
            host=host,
            verdict=outcome.verdict.value,
            reply=outcome.text,
        )

    async def _record(self, work: Callable[[Transaction], bool]) -> bool:
        """It is tried until it is written."""
        while True:
            try:
                return await self._store.run(work)
            except Stopping:
                return False
            except Temporary as error:
                _log.error(
                    "{reason}: home's reply waits to be recorded",
                    reason=str(error),
                    domain=self._domain(),
                    often=True,
                )
                if self.stopping:
                    return False
            again: Deferred[None] = Deferred()
            self._timer.callLater(STORE_AGAIN, again.callback, None)
            await again
