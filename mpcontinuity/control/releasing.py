"""The operation ``archive release found``: all that a search finds is released, each message once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from twisted.internet.defer import Deferred, DeferredList

from mpcontinuity.archive import archived
from mpcontinuity.archive import query as language
from mpcontinuity.archive.archived import Archived
from mpcontinuity.control.archive import narrowed, whose_mail
from mpcontinuity.control.archived import ReleasedTo, release_one, running, targets
from mpcontinuity.control.arguments import mail_address
from mpcontinuity.control.finding import found
from mpcontinuity.control.operation import Control
from mpcontinuity.delivery.release import Way
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Refused

_AT_ONCE: Final = 4  # messages: home's connections are for new mail too
_IN_VAIN: Final = 20  # messages in a row that nobody takes: home is away, and there is no mailbox
_TOLD: Final = 100  # recipients who were refused or put off are named, as many


class ReleasedMany(msgspec.Struct, frozen=True):
    """What became of a search's messages: each counts once for each recipient.

    ``before`` messages had been released before and were left out; ``cut_off`` ones were being released when an earlier
    run was cut off, so that they may have arrived, and were left out, too. ``failed`` names some that were refused or
    put off. ``stopped`` says why it ended before its end; empty: it did not.
    """

    found: int
    home: int
    inbox: int
    owed: int
    refused: int
    deferred: int
    before: int
    cut_off: int
    failed: list[ReleasedTo]
    stopped: str


async def release_found(
    control: Control,
    query: str = "",
    user: str = "",
    since: str | None = None,
    until: str | None = None,
    to: str | None = None,
    again: bool = False,
    domain: str | None = None,
) -> ReleasedMany:
    """Releases all that a query finds, the oldest first; the arguments are as in ``archive search`` and ``archive
    release``.

    What was released before is left out, so that it can be called again where it was cut off; with ``again`` it is not.
    Raises Refused for a query that is empty, where a search would, and where no server runs.
    """
    if not (query.strip() or user or since or until):
        raise Refused(
            "a query, a user or a time must be given: all of the archive is released to nobody", field="query"
        )
    now = control.store.clock.now()
    wanted = narrowed(language.parse(query, now), since, until, now)
    whose = await whose_mail(control, user, domain)
    only = mail_address(to) if to else None
    run = _Run(control, running(control), only, again=again)
    ids = await found(control, wanted, whose)
    control.progress({"released": 0, "found": len(ids)})
    for start in range(0, len(ids), _AT_ONCE):
        await run.some(ids[start : start + _AT_ONCE].tolist())
        control.progress({"released": min(start + _AT_ONCE, len(ids)), "found": len(ids)})
        if run.in_vain >= _IN_VAIN:
            break
        await control.drained()
    return run.result(len(ids))


class _Run:
    """One release of many."""

    def __init__(self, control: Control, delivery: Delivery, to: Address | None, *, again: bool) -> None:
        self.in_vain = 0
        self._control = control
        self._delivery = delivery
        self._to = to
        self._again = again
        self._ways = dict.fromkeys(Way, 0)
        self._before = self._cut_off = 0
        self._failed: list[ReleasedTo] = []

    async def some(self, ids: Sequence[int]) -> None:
        """Releases some messages beside each other."""
        messages = await self._control.store.read(partial(archived.find, ids=ids))
        new = [message for message in messages if self._is_new(message)]
        done = await DeferredList([Deferred.fromCoroutine(self._one(one)) for one in new], consumeErrors=True)
        for succeeded, failure in done:
            if not succeeded:
                failure.raiseException()  # type: ignore[attr-defined]

    def _is_new(self, message: Archived) -> bool:
        if self._again or not message.released:
            return True
        self._before += message.released > 0
        self._cut_off += message.released < 0
        return False

    async def _one(self, message: Archived) -> None:
        try:
            recipients = await targets(self._control, message, self._to)
            lines = await release_one(self._control, self._delivery, message, recipients)
        except Refused as refused:
            lines = [ReleasedTo(identifier.show(message.id), "", Way.REFUSED.value, 0, str(refused), "")]
        for line in lines:
            way = Way(line.way)
            self._ways[way] += 1
            if way in (Way.REFUSED, Way.DEFERRED) and len(self._failed) < _TOLD:
                self._failed.append(line)
            self.in_vain = self.in_vain + 1 if way is Way.DEFERRED else 0

    def result(self, count: int) -> ReleasedMany:
        """What became of all of them."""
        ways = {way.value: number for way, number in self._ways.items()}
        stopped = f"{_IN_VAIN} messages in a row were taken by nobody: home is away" if self.in_vain >= _IN_VAIN else ""
        return ReleasedMany(
            found=count, **ways, before=self._before, cut_off=self._cut_off, failed=self._failed, stopped=stopped
        )
