"""Bugs of what users write by webmail, for `scripts/plant`: each one a mistake that somebody could have made."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import drafts
from mpcontinuity.mailbox.drafts import UNDO
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.writing.outbox import Outbox
from tests.simulation.planted import Patches, bug

patch = mock.patch.object

_IS_THERE = Statement("SELECT entry FROM draft WHERE id = :id AND version = :version AND due > 0")


@bug("draft-ends-after-departure")
def _draft_ends_after_departure() -> Patches:
    """The draft ends in a transaction behind the one in which its message departs: a crash between sends it twice."""
    leave, mark = drafts.leave, Outbox._mark

    def look(tx: Transaction, departing: Any) -> dict[int, list[int]]:
        for _, (id_, version) in departing:
            if tx.one(_IS_THERE, id=id_, version=version) is None:
                raise drafts.NotLeaving("it has left")
        return {}

    async def end(self: Outbox, draft: Any) -> None:
        asleep: Deferred[None] = Deferred()
        self.timer.callLater(1.0, asleep.callback, None)
        await asleep

        def work(tx: Transaction) -> None:
            for account, entries in leave(tx, [(draft.account, draft.seen)]).items():
                drafts.forget(tx, account, entries)

        await self.desk.store.run(work)
        await mark(self, draft)

    return [patch(drafts, "leave", look), patch(Outbox, "_mark", end)]


@bug("promise-is-an-alarm")
def _promise_is_an_alarm() -> Patches:
    """That a message is to leave is known to a process alone: a crash forgets it."""
    send = Outbox.send

    async def remember(self: Outbox, user: Any, draft: Any) -> int:
        def leave() -> None:
            Deferred.fromCoroutine(send(self, user, draft)).addErrback(lambda _: None)

        self.timer.callLater(UNDO / SECOND, leave)
        return self.desk.store.clock.now() + UNDO

    return [patch(Outbox, "send", remember)]
