"""Message bodies: drafts that become durable, and what is read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

import crc32c
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, Clock
from mpcontinuity.model.errors import Corrupt, Stopping
from mpcontinuity.store.bodies.appender import Append, Appender
from mpcontinuity.store.bodies.content import Stored, check, corrupt
from mpcontinuity.store.bodies.draft import Draft, Room, Spool
from mpcontinuity.store.bodies.head import Decided, Head
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.writer import Job

T = TypeVar("T")

# The kind of pack, and the days after which it is looked through: the archive's default, and a time in which most
# drafts have been replaced by their next version.
_KINDS = {"mail": (Kind.MAIL, 90), "draft": (Kind.DRAFT, 14)}

# Bodies that are kept and not yet in the index, while their message is handed to home: as many as may be under way.
_UNDECIDED = 20_000

_log = Logger()


class Background(Protocol):
    """Readers.call."""

    def __call__(self, read: Callable[[], T], /) -> Deferred[T]: ...


class Bodies:
    def __init__(
        self,
        packs: Packs,
        *,
        room: Room,
        runner: Runner,
        clock: Clock,
        background: Background,
        find: Callable[[int], Body | None],
        appended: Callable[[Sequence[Append]], None],
    ) -> None:
        """``find`` reads a row of `body` again, in a reader's thread; ``appended`` settles what was appended."""
        self.packs = packs
        self.appender = Appender(packs, runner, appended)
        self._spool = Spool(packs, room, clock)
        self._clock = clock
        self.background = background
        self._find = find
        self._undecided: OrderedDict[int, Body] = OrderedDict()

    def draft(self, kind: Literal["mail", "draft"] = "mail", *, retention_days: int | None = None) -> Draft:
        """A message to be received: ``mail`` passes through, ``draft`` is what a client APPENDs. Raises Full.

        ``retention_days`` decides which pack it goes to; it is needed longer or not, without being lost in either case.
        """
        self._spool.check()
        pack_kind, days = _KINDS[kind]
        if retention_days is not None:
            days = retention_days
        return Draft(self._spool, pack_kind, self._clock.now() // DAY + days + 1)

    @property
    def spooled(self) -> int:
        """Octets of all messages that are being received."""
        return self._spool.held

    def keep(self, draft: Draft, head: Head) -> Deferred[Body]:
        """Fires when the body is durable. It is garbage until a transaction inserts its row (references.py)."""
        deferred: Deferred[Body] = Deferred()
        try:
            self.appender.append(Append(draft, head, deferred, None))
        except Stopping:
            return fail(Stopping())
        return deferred.addCallback(self._keep_undecided)

    def forget(self, body_id: int) -> None:
        """Home refused it: a large one gives its room back now, a small one with its pack."""
        body = self._undecided.pop(body_id, None)
        if body is not None:
            self.background(partial(self.packs.unlink_solo, body.pack)).addErrback(_not_unlinked)

    def outcome(self, body_id: int, decisions: Mapping[str, str]) -> None:
        """What its head could not say yet, noted in the pack without waiting: an index may be built from it.

        Home took it: noted before the commit, so that one that fails is made good (reconcile.py).
        """
        body = self._undecided.pop(body_id, None)
        if body is not None:
            self.appender.note(
                Decided(
                    id=body.id,
                    pack=body.pack,
                    offset=body.offset,
                    length=body.length,
                    prefix=body.prefix,
                    crc=body.crc,
                    decisions=dict(decisions),
                )
            )

    def move(self, old: Body, content: bytes, head: Head, day: int, work: Callable[..., None]) -> Deferred[None]:
        """Appends it anew to a pack that lives until ``day``; ``work(old, new, tx)`` then updates its row."""
        draft = Draft(self._spool, Kind.KEPT, day)
        draft.write(content)
        deferred: Deferred[None] = Deferred()
        self.appender.append(Append(draft, head, deferred, lambda body: Job(partial(work, old, body), deferred)))
        return deferred

    def content(self, body: Body, *, skip_prefix: bool = False) -> Stored:
        """The message to be read in pieces, or whole after ``await load()``; without Return-Path for home."""
        return Stored(body, body.prefix if skip_prefix else 0, self.read)

    def read(self, body: Body, start: int = 0, stop: int | None = None) -> Deferred[bytes]:
        """That piece; all of it is checked against its CRC. Fails with Corrupt."""
        end = body.length if stop is None else min(stop, body.length)
        if start >= end:
            return succeed(b"")
        return self.background(lambda: self._read(body, start, end))

    def read_many(self, bodies: Sequence[Body]) -> Deferred[list[bytes | Corrupt]]:
        """Each whole, in order; a damaged one does not stop the others."""
        return self.background(lambda: [self._read_or_corrupt(body) for body in bodies])

    def _keep_undecided(self, body: Body) -> Body:
        self._undecided[body.id] = body
        if len(self._undecided) > _UNDECIDED:
            self._undecided.popitem(last=False)
        return body

    def _read_or_corrupt(self, body: Body) -> bytes | Corrupt:
        try:
            return self._read(body, 0, body.length)
        except Corrupt as error:
            return error

    def _read(self, body: Body, start: int, stop: int) -> bytes:
        try:
            file = self.packs.file(body.pack)
        except FileNotFoundError:  # it was moved to another pack since the row was read
            moved = self._find(body.id)
            if moved is None or moved.pack == body.pack:
                raise corrupt(body, "is missing") from None
            body = moved
            try:
                file = self.packs.file(body.pack)
            except FileNotFoundError:
                raise corrupt(body, "is missing") from None
        try:
            data = file.read(stop - start, body.offset + start)
        except OSError as error:
            raise corrupt(body, f"cannot be read: {error}") from error
        if len(data) != stop - start:
            raise corrupt(body, "is cut short")
        if len(data) == body.length:
            check(body, crc32c.crc32c(data))
        return data


def _not_unlinked(failure: Failure) -> None:
    _log.warn("a pack of a message that was refused stays until its day: {error}", error=failure.value)


def settle(append: Append) -> None:
    """Tells who waits for an append without a transaction; in the reactor thread."""
    deferred: Deferred[Any] = append.deferred
    if append.error is not None:
        deferred.errback(append.error)
    else:
        append.draft.release()
        deferred.callback(append.body)
