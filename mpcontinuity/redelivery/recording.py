"""The outcome of an attempt, written into its row: it must not be forgotten because the store fails just now."""

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
from mpcontinuity.queue import owed
from mpcontinuity.queue.owed import Owed
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.store.transaction import Transaction

STORE_AGAIN = 5.0  # seconds, after a failure of the store

_log = Logger()


class Recorder:
    """Writes what became of the rows of one flush. It lives in the reactor thread.

    Every method that writes returns False where the lease was lost meanwhile, or where we stop: a row that is not
    recorded is in doubt at the next start.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._store = task.environment.store
        self._timer = task.environment.timer

    async def delivered(self, row: Owed, event: TrackingEvent, *, relayed: bool) -> bool:
        """Ends the row: home has the message. ``relayed``: the sender wants to hear so, and home does not tell them."""
        work = partial(owed.finish, owed_id=row.id, token=row.token, outcome=DELIVERED, event=event)
        recorded = await self._record(partial(work, relayed=relayed))
        self._store.bodies.note(row.body, {row.recipient: DELIVERED})
        return recorded

    async def give_back(self, row: Owed) -> bool:
        """Makes the row owed as it was: nothing was sent of it."""
        return await self._record(partial(owed.give_back, owed_id=row.id, token=row.token))

    async def later(
        self, row: Owed, event: TrackingEvent, wait: int, *, run: int = 0, stage: Stage = Stage.CONNECT
    ) -> bool:
        """Makes the row due again in ``wait`` µs; with ``run`` it is refused, and fails when that run ends without a
        pause."""
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
        """Puts the row in doubt: home may have the message. ``waiting``: home's late reply follows, by `late`."""
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
        """Ends the doubt by home's late reply; while the flush is ``paused`` a refusal fails nothing."""
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
        """Writes a line to the log. Its ``message`` is the id that the message has had since it came in, its ``owed``
        the one that home is told."""
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
        """Tries until it is written."""
        while True:
            try:
                return await self._store.run(work)
            except Stopping:
                return False
            except Temporary as error:
                _log.error(
                    "{reason}: home's reply waits to be recorded",
                    reason=str(error),
                    domain=self._task.domain.name,
                    often=True,
                )
                if self._task.stopping:
                    return False
            again: Deferred[None] = Deferred()
            self._timer.callLater(STORE_AGAIN, again.callback, None)
            await again
