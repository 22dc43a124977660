"""`messages = "database"`: bodies in the table `content`, for nodes that share nothing but their database.

What is one transaction (small messages, with their index) is durable when that is. A larger one goes in before its
index, by several transactions, and is garbage until a row of `body` names it (upkeep/garbage.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.errors import Stopping
from mpcontinuity.store.bodies import pieces
from mpcontinuity.store.bodies.bodies import Background, Kept, Snapshot
from mpcontinuity.store.bodies.draft import Draft, Room
from mpcontinuity.store.bodies.head import TAKEN, Head
from mpcontinuity.store.bodies.layout import SOLO_BODY
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.bodies.pieces import PIECE, Piece
from mpcontinuity.store.job import ALONE, Job
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")

# Up to this a message goes in with its index, and a group of them keeps the others waiting for 100 ms at the most.
AT_ONCE = 4 * PIECE
# Of a larger one per transaction: a few milliseconds.
STEP = 8 * PIECE

# After its outcome a message's commit is through long before this, or it failed.
_SETTLED = 2 * MINUTE
_DROPPED = 100  # messages per transaction
SMALL = AT_ONCE // PIECE  # pieces; a message of more is dropped by itself, in steps

_log = Logger()


@dataclass(frozen=True, slots=True)
class _WithPieces:
    """Work for the items of many, each with the pieces of its message, which are inserted first.

    Equal for equal work, so that those who wait together still share it.
    """

    work: Callable[[Transaction, list[Any]], Sequence[Any]]

    def __call__(self, tx: Transaction, items: list[tuple[list[Piece], Any]]) -> Sequence[Any]:
        pieces.insert(tx, [piece for message, _ in items for piece in message])
        return self.work(tx, [item for _, item in items])


def _keep(tx: Transaction, bodies: list[Body]) -> list[Body]:
    """Nothing beside their pieces."""
    return bodies


_KEEP = _WithPieces(_keep)


@dataclass(frozen=True, slots=True)
class _Noted:
    """What home took, and when it said so."""

    body: Body
    decisions: Mapping[str, str]
    time: int


class InDatabase(Kept):
    """Bodies in the database, by the same engine as the index."""

    notes = False

    def __init__(
        self,
        packs: Packs,
        *,
        room: Room,
        clock: Clock,
        background: Background,
        snapshot: Snapshot,
        submit: Callable[..., None],
    ) -> None:
        super().__init__(
            packs,
            room=room,
            clock=clock,
            background=background,
            snapshot=snapshot,
            submit=submit,
            becomes_pack=False,
        )
        self._noted: dict[int, _Noted] = {}
        self._unwanted: list[Body] = []
        self._dropping = False
        self._under_way = 0  # what goes in by several transactions
        self._stopped: Callable[[], None] | None = None

    def keep(self, draft: Draft, head: Head) -> Deferred[Body]:
        if self._stopped is not None:
            return fail(Stopping())
        deferred: Deferred[Body] = Deferred()
        before = pieces.encode(head, draft.size, draft.crc)
        body = pieces.place(head, before, draft.size, draft.crc)
        if len(before) + draft.size <= AT_ONCE:
            self._submit(Job(_KEEP, deferred, item=(_pieces(body, before, draft), body)))
        else:
            self._begin(self._put(body, before, draft), lambda: deferred.callback(body), deferred)
        deferred.addBoth(_given_back, draft)
        return deferred.addCallback(self._keep_undecided)

    def keep_for(self, draft: Draft, head: Head, deferred: Deferred[Any], job: Callable[[Body], Job]) -> None:
        before = pieces.encode(head, draft.size, draft.crc)
        body = pieces.place(head, before, draft.size, draft.crc)
        follows = job(body)
        deferred.addBoth(_given_back, draft)
        if len(before) + draft.size <= AT_ONCE:
            message = _pieces(body, before, draft)
            if follows.item is ALONE:
                follows.work = partial(_with_pieces, follows.work, message)
            else:
                follows.work, follows.item = _WithPieces(follows.work), (message, follows.item)
            self._submit(follows)
        else:
            self._begin(self._put(body, before, draft), partial(self._submit, follows), deferred)

    def forget(self, body_id: int) -> None:
        body = self._undecided.pop(body_id, None)
        if body is not None:
            self._drop(body)

    def outcome(self, body_id: int, decisions: Mapping[str, str]) -> None:
        """Notes it in memory: what keeps the commit that follows from the database keeps a note from it as well."""
        body = self._undecided.pop(body_id, None)
        if body is not None and all(way == TAKEN for way in decisions.values()):
            self._noted[body_id] = _Noted(body, dict(decisions), self._clock.now())

    def note(self, body: Body, decisions: Mapping[str, str]) -> None:
        """Writes nothing: messages in the database are lost with the index."""

    def recorded(self, body_id: int) -> None:
        self._noted.pop(body_id, None)

    def unrecorded(self) -> list[tuple[Body, Mapping[str, str]]]:
        latest = self._clock.now() - _SETTLED
        return [(noted.body, noted.decisions) for noted in self._noted.values() if noted.time <= latest]

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
        before = pieces.encode(head, draft.size, draft.crc)
        new = pieces.place(head, before, draft.size, draft.crc)
        try:
            await self._put(new, before, draft)
            await self._run(partial(_moved, work, old, new), bulk=True)
        finally:
            draft.release()

    def gathers(self, pack_kind: str, octets: int, needed: int) -> bool:
        """Returns True: all that is left in packs comes here, day by day."""
        return True

    def stop(self, stopped: Callable[[], None]) -> None:
        if self._noted:
            _log.error(
                "{count} messages that home servers took stay out of tracking and archive: the database was away",
                count=len(self._noted),
            )
        self._stopped = stopped
        if not self._under_way:
            stopped()

    def _begin(self, put: Awaitable[None], done: Callable[[], None], waiting: Deferred[Any]) -> None:
        """Puts a large message in, then calls ``done``; ``waiting`` hears why it could not be."""

        async def work() -> None:
            try:
                await put
            except Exception:
                waiting.errback()
            else:
                done()
            finally:
                self._under_way -= 1
                if self._stopped is not None and not self._under_way:
                    self._stopped()

        self._under_way += 1
        Deferred.fromCoroutine(work())

    async def _put(self, body: Body, before: bytes, draft: Draft) -> None:
        """All of it, by transactions of a bounded size each."""
        file, number, position, waiting = draft.file, 0, 0, before
        small = draft.hand_over()
        if file is None:
            position, waiting = draft.size, b"".join([before, *small])
        try:
            while waiting or position < draft.size:
                if file is not None and position < draft.size:
                    length = min(STEP, draft.size - position)
                    waiting += await self.background(partial(file.read, length, SOLO_BODY + position))
                    position += length
                whole = len(waiting) if position == draft.size else len(waiting) // PIECE * PIECE
                some, waiting = pieces.cut(body.id, number, waiting[:whole]), waiting[whole:]
                number += len(some)
                await self._run(partial(pieces.put, some))
        except BaseException:
            self._drop(body)
            raise

    def _run(self, work: Callable[[Transaction], T], *, bulk: bool = False) -> Deferred[T]:
        deferred: Deferred[T] = Deferred()
        try:
            self._submit(Job(work, deferred, bulk=bulk))
        except Stopping:
            return fail(Stopping())
        return deferred

    def _drop(self, body: Body) -> None:
        """It is not wanted, and no row of `body` names it. What cannot be dropped now is found by upkeep/garbage.py."""
        self._unwanted.append(body)
        if not self._dropping:
            self._dropping = True
            Deferred.fromCoroutine(self._drop_all())

    async def _drop_all(self) -> None:
        try:
            while self._unwanted:
                some, self._unwanted = self._unwanted[:_DROPPED], self._unwanted[_DROPPED:]
                await drop(self._run, some)
        except Exception as error:
            _log.warn("messages that are not wanted stay for a while: {error}", error=error)
            self._unwanted = []
        finally:
            self._dropping = False


class Run(Protocol):
    """Does work in a transaction (`Store.run`)."""

    def __call__(self, work: Callable[[Transaction], T], /, *, bulk: bool = False) -> Deferred[T]: ...


async def drop(run: Run, bodies: Sequence[Body]) -> None:
    """Drops the pieces of messages that no row of `body` names, in steps of the bulk lane."""
    small = [body.id for body in bodies if pieces.count(body) <= SMALL]
    if small:
        await run(partial(pieces.drop, small), bulk=True)
    for body in bodies:
        if pieces.count(body) > SMALL:
            await drop_large(run, body.id)


async def drop_large(run: Run, body: int) -> None:
    """Drops the pieces of one large message that no row of `body` names, in steps of the bulk lane."""
    while await run(partial(pieces.drop_last, body, STEP // PIECE), bulk=True):
        pass


def _pieces(body: Body, before: bytes, draft: Draft) -> list[Piece]:
    """All of a message that is in memory."""
    return pieces.cut(body.id, 0, b"".join([before, *draft.hand_over()]))


def _with_pieces(work: Callable[[Transaction], T], message: list[Piece], tx: Transaction) -> T:
    pieces.insert(tx, message)
    return work(tx)


def _moved(work: Callable[[Body, Body, Transaction], None], old: Body, new: Body, tx: Transaction) -> None:
    pieces.check_whole(tx, new)
    work(old, new, tx)


def _given_back(result: T, draft: Draft) -> T:
    """Whatever became of it, it is no longer being received."""
    draft.release()
    return result
