"""Message bodies: drafts that become durable, and what is read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

import crc32c
from twisted.internet.defer import Deferred, succeed

from mpcontinuity.model.body import IN_DATABASE, Body
from mpcontinuity.model.clock import DAY, Clock
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.store.bodies import pieces, references
from mpcontinuity.store.bodies.content import Stored, check, corrupt
from mpcontinuity.store.bodies.draft import MIB, Draft, Room, Spool
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.job import Job
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")

# The kind of pack, and the days after which it is looked through: the archive's default, and a time in which most
# drafts have been replaced by their next version.
_KINDS = {"mail": (Kind.MAIL, 90), "draft": (Kind.DRAFT, 14)}

# Bodies that are kept and not yet in the index, while their message is handed to home: as many as may be under way.
_UNDECIDED = 20_000


class Background(Protocol):
    """Fires with what the function returns, in a reader's thread (`Readers.call`)."""

    def __call__(self, read: Callable[[], T], /) -> Deferred[T]: ...


class Snapshot(Protocol):
    """Returns what the work returns in a read transaction, in a reader's thread (`Readers.snapshot`)."""

    def __call__(self, read: Callable[[Transaction], T], /) -> T: ...


@dataclass(slots=True)
class Swept:
    """How far this process has looked through messages in the database (upkeep/garbage.py)."""

    expired: int = -1  # the day of the last search for those that have expired
    named: int = 0  # up to this id all that the index does not name are known
    nameless: dict[int, int] = field(default_factory=dict)  # by id: when it was found


class Bodies(Protocol):
    """Where new messages are kept, as `[store] messages` says. Each implementation reads what another one kept."""

    @property
    def swept(self) -> Swept:
        """Is how far the sweep of messages in the database has come."""
        ...

    @property
    def background(self) -> Background:
        """Runs a function in a reader's thread."""
        ...

    @property
    def spooled(self) -> int:
        """Is the octets of all messages that are being received."""
        ...

    def check_room(self, octets: int = 0) -> None:
        """Raises Full where no new message should be stored, or none of so many octets."""
        ...

    def draft(
        self, kind: Literal["mail", "draft"] = "mail", *, retention_days: int | None = None, announced: int = 0
    ) -> Draft:
        """Returns the draft of a message to be received. Raises Full.

        ``mail`` passes through, ``draft`` is what a client APPENDs. ``retention_days`` says when it is looked through;
        what is needed longer is not lost then. ``announced`` are octets that there must be room for.
        """
        ...

    def keep(self, draft: Draft, head: Head) -> Deferred[Body]:
        """Fires with the body when it is durable. It is garbage until a transaction inserts its row (references.py)."""
        ...

    def keep_for(self, draft: Draft, head: Head, deferred: Deferred[Any], job: Callable[[Body], Job]) -> None:
        """Makes the draft durable before, or with, the job that goes on with its body and tells ``deferred``."""
        ...

    def forget(self, body_id: int) -> None:
        """Gives back the room of a message that home refused."""
        ...

    def outcome(self, body_id: int, decisions: Mapping[str, str]) -> None:
        """Notes, without waiting, what the head of a message could not say yet.

        That home took it is said before the commit, so that one that fails is made good (upkeep/reconcile.py).
        """
        ...

    @property
    def notes(self) -> bool:
        """Says whether ``note`` writes anything."""
        ...

    def note(self, body: Body, decisions: Mapping[str, str]) -> None:
        """Notes what became of a message where an index that is lost is built from, without waiting."""
        ...

    def recorded(self, body_id: int) -> None:
        """Says that the commit that followed the outcome of a message is done."""
        ...

    def unrecorded(self) -> list[tuple[Body, Mapping[str, str]]]:
        """Returns the messages that home took a while ago and no commit followed, with each recipient's decision."""
        ...

    def content(self, body: Body, *, skip_prefix: bool = False) -> Stored:
        """Returns the message, to be read in pieces, or whole after ``await load()``; without Return-Path for home."""
        ...

    def read(self, body: Body, start: int = 0, stop: int | None = None) -> Deferred[bytes]:
        """Fires with the octets of a message from ``start`` to before ``stop``, None meaning its end.

        Where that is the whole message it is compared with its CRC. Fails with Corrupt.
        """
        ...

    def read_many(self, bodies: Sequence[Body]) -> Deferred[list[bytes | Corrupt]]:
        """Fires with each whole message, in order. A damaged one, given as Corrupt, does not stop the others."""
        ...

    async def move(
        self,
        old: Body,
        head: Head,
        day: int,
        work: Callable[[Body, Body, Transaction], None],
        *,
        content: bytes | None = None,
    ) -> None:
        """Keeps a message anew until ``day``, with ``work(old, new, tx)``, which updates its row. Raises Corrupt.

        ``content`` replaces what is stored.
        """
        ...

    def gathers(self, pack_kind: str, octets: int, needed: int) -> bool:
        """Returns whether a pack of which that many octets are still needed is to be emptied on its day."""
        ...

    def stop(self, stopped: Callable[[], None]) -> None:
        """Calls ``stopped`` when all that was to be kept is written, and its jobs are given to the engine."""
        ...


class Kept:
    """What both implementations share: drafts, and reading wherever a row of `body` says that it is."""

    def __init__(
        self,
        packs: Packs,
        *,
        room: Room,
        clock: Clock,
        background: Background,
        snapshot: Snapshot,
        submit: Callable[..., None],
        becomes_pack: bool,
    ) -> None:
        """``submit`` takes jobs, in any thread; ``becomes_pack``: as for Spool."""
        self.packs = packs
        self.background = background
        self.swept = Swept()
        self._clock = clock
        self._submit = submit
        self._spool = Spool(packs, room, clock, becomes_pack=becomes_pack)
        self._snapshot = snapshot
        self._undecided: OrderedDict[int, Body] = OrderedDict()

    def check_room(self, octets: int = 0) -> None:
        self._spool.check(octets)

    def draft(
        self, kind: Literal["mail", "draft"] = "mail", *, retention_days: int | None = None, announced: int = 0
    ) -> Draft:
        self._spool.check(announced)
        pack_kind, days = _KINDS[kind]
        if retention_days is not None:
            days = retention_days
        return Draft(self._spool, pack_kind, self._clock.now() // DAY + days + 1, announced)

    @property
    def spooled(self) -> int:
        return self._spool.held

    def content(self, body: Body, *, skip_prefix: bool = False) -> Stored:
        return Stored(body, body.prefix if skip_prefix else 0, self.read)

    def read(self, body: Body, start: int = 0, stop: int | None = None) -> Deferred[bytes]:
        end = body.length if stop is None else min(stop, body.length)
        if start >= end:
            return succeed(b"")
        return self.background(lambda: self._read(body, start, end))

    def read_many(self, bodies: Sequence[Body]) -> Deferred[list[bytes | Corrupt]]:
        return self.background(lambda: self._read_many(bodies))

    async def draft_of(self, old: Body, content: bytes | None, day: int) -> Draft:
        """Returns the draft of what is to be kept anew. Raises Corrupt."""
        draft = Draft(self._spool, Kind.KEPT, day)
        try:
            if content is not None:
                draft.write(content)
                return draft
            stored = self.content(old)
            for start in range(0, old.length, MIB):
                draft.write(await stored.read(start, min(MIB, old.length - start)))
        except BaseException:
            draft.discard()
            raise
        return draft

    def _keep_undecided(self, body: Body) -> Body:
        self._undecided[body.id] = body
        if len(self._undecided) > _UNDECIDED:
            self._undecided.popitem(last=False)
        return body

    def _read_many(self, bodies: Sequence[Body]) -> list[bytes | Corrupt]:
        small = [body for body in bodies if body.pack == IN_DATABASE and pieces.count(body) == 1]
        found = self._snapshot(partial(pieces.read_small, bodies=small)) if small else {}
        return [self._whole(body, found.get(body.id)) for body in bodies]

    def _whole(self, body: Body, data: bytes | None) -> bytes | Corrupt:
        try:
            return self._read(body, 0, body.length) if data is None else _checked(body, data, body.length)
        except Corrupt as error:
            return error

    def _read(self, body: Body, start: int, stop: int) -> bytes:
        try:
            data = self._octets(body, start, stop)
        except FileNotFoundError:  # it was moved since the row was read
            moved = self._snapshot(partial(references.find, body_id=body.id))
            if moved is None or moved.pack == body.pack:
                raise corrupt(body, "is missing") from None
            body = moved
            try:
                data = self._octets(body, start, stop)
            except FileNotFoundError:
                raise corrupt(body, "is missing") from None
        return _checked(body, data, stop - start)

    def _octets(self, body: Body, start: int, stop: int) -> bytes:
        """Raises FileNotFoundError where its pack is not there."""
        if body.pack == IN_DATABASE:
            return self._snapshot(
                partial(pieces.read, body=body.id, start=body.offset + start, stop=body.offset + stop)
            )
        file = self.packs.file(body.pack)
        try:
            return file.read(stop - start, body.offset + start)
        except OSError as error:
            raise corrupt(body, f"cannot be read: {error}") from error


def _checked(body: Body, data: bytes, wanted: int) -> bytes:
    if len(data) != wanted:
        raise corrupt(body, "is cut short")
    if wanted == body.length:
        check(body, crc32c.crc32c(data))
    return data
