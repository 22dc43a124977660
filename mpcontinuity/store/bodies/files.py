"""`messages = "files"`: bodies in packs, synced before the transaction that names them (design 9)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.errors import Stopping
from mpcontinuity.store.bodies.appender import Append, Appender
from mpcontinuity.store.bodies.bodies import Background, Kept, Snapshot
from mpcontinuity.store.bodies.draft import Draft, Room
from mpcontinuity.store.bodies.head import Decided, Head
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.election import Election
from mpcontinuity.store.job import Job
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.transaction import Transaction

SOLO = Kind.SOLO.name.lower()  # in the column pack.kind

_log = Logger()


class Files(Kept):
    """Bodies in packs, by an appender that hands on to the engine what is synced."""

    notes = True

    def __init__(
        self,
        packs: Packs,
        *,
        room: Room,
        runner: Runner,
        clock: Clock,
        background: Background,
        snapshot: Snapshot,
        submit: Callable[..., None],
        reactor_call: Callable[..., None],
        election: Election,
    ) -> None:
        super().__init__(
            packs,
            room=room,
            clock=clock,
            background=background,
            snapshot=snapshot,
            submit=submit,
            becomes_pack=True,
        )
        self._reactor_call = reactor_call
        self.appender = Appender(packs, runner, self._appended)
        election.on_lost(self.appender.begin_anew)

    def keep(self, draft: Draft, head: Head) -> Deferred[Body]:
        deferred: Deferred[Body] = Deferred()
        try:
            self.appender.append(Append(draft, head, deferred, None))
        except Stopping:
            return fail(Stopping())
        return deferred.addCallback(self._keep_undecided)

    def keep_for(self, draft: Draft, head: Head, deferred: Deferred[Any], job: Callable[[Body], Job]) -> None:
        self.appender.append(Append(draft, head, deferred, job))

    def forget(self, body_id: int) -> None:
        """Gives back the room of a large message now, and that of a small one with its pack."""
        body = self._undecided.pop(body_id, None)
        if body is not None:
            self.background(partial(self.packs.unlink_solo, body.pack)).addErrback(_not_unlinked)

    def outcome(self, body_id: int, decisions: Mapping[str, str]) -> None:
        """Notes it in the pack: an index is built again from that too (check/indexing.py)."""
        body = self._undecided.pop(body_id, None)
        if body is not None:
            self.note(body, decisions)

    def note(self, body: Body, decisions: Mapping[str, str]) -> None:
        columns = {name: getattr(body, name) for name in body.__struct_fields__}
        with contextlib.suppress(Stopping):
            self.appender.note(Decided(**columns, decisions=dict(decisions)))

    def recorded(self, body_id: int) -> None:
        """Does nothing: the outcome stays in the pack, which is compared with the index before it is sealed."""

    def unrecorded(self) -> list[tuple[Body, Mapping[str, str]]]:
        return []

    async def move(
        self,
        old: Body,
        head: Head,
        day: int,
        work: Callable[[Body, Body, Transaction], None],
        *,
        content: bytes | None = None,
    ) -> None:
        draft = await self.draft_of(old, content, day)
        deferred: Deferred[None] = Deferred()
        self.keep_for(draft, head, deferred, lambda new: Job(partial(work, old, new), deferred))
        await deferred

    def gathers(self, pack_kind: str, octets: int, needed: int) -> bool:
        """Returns False for a large message, which stays where it is, and for a pack that is mostly needed."""
        return not needed or (pack_kind != SOLO and 2 * needed <= octets)

    def stop(self, stopped: Callable[[], None]) -> None:
        self.appender.stop(stopped)

    def _appended(self, appends: Sequence[Append]) -> None:
        """In the appender's thread: on to the engine without a turn of the reactor."""
        jobs = []
        settled = []
        for append in appends:
            if append.job is None or append.body is None:
                settled.append(append)
            else:
                append.draft.release()
                jobs.append(append.job(append.body))
        if jobs:
            self._submit(*jobs)
        if settled:
            self._reactor_call(_settle, settled)


def _settle(appends: Sequence[Append]) -> None:
    """Tells who waits for an append without a transaction; in the reactor thread."""
    for append in appends:
        deferred: Deferred[Any] = append.deferred
        if append.error is not None:
            deferred.errback(append.error)
        else:
            append.draft.release()
            deferred.callback(append.body)


def _not_unlinked(failure: Failure) -> None:
    _log.warn("a pack of a message that was refused stays until its day: {error}", error=failure.value)
