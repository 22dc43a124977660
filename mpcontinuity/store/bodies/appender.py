"""The thread that appends: all drafts that wait are written and synced together, then handed to the writer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.draft import MIB, Draft
from mpcontinuity.store.bodies.head import Decided, Head
from mpcontinuity.store.bodies.layout import Kind, Record
from mpcontinuity.store.bodies.packs import Pack, Packs
from mpcontinuity.store.disk import temporary
from mpcontinuity.store.job import Job
from mpcontinuity.store.runner import Runner

# A pack is closed above this: small enough that one with a damaged sector, or one that is copied for the sake of a few
# messages that live on, is a small matter; large enough that a year of mail is a few thousand files.
PACK_SIZE = 128 * MIB

# Large messages are synced beside the small ones, which would else wait for them.
_SOLO_THREADS = 2

_log = Logger()


class Append:
    """A draft to be kept, who waits for it, and where it went."""

    __slots__ = ("body", "deferred", "draft", "error", "head", "job", "pieces")

    def __init__(self, draft: Draft, head: Head, deferred: Deferred[Any], job: Callable[[Body], Job] | None) -> None:
        self.draft = draft
        self.head = head
        self.deferred = deferred
        self.pieces = draft.hand_over()
        self.job = job  # makes what goes on with the body in a transaction; None: the body is all that is wanted
        self.body: Body | None = None
        self.error: Temporary | None = None


class Appender:
    """Appends messages and their outcomes to packs, in a thread of its own. All that wait at a time share one sync."""

    def __init__(self, packs: Packs, runner: Runner, done: Callable[[Sequence[Append]], None]) -> None:
        """``done`` is given what was appended, or failed, in the appender's thread."""
        self._packs = packs
        self._done = done
        self._current: dict[tuple[Kind, int], Pack] = {}
        self._worker = runner.worker("pack-appender", self._handle)
        self._solo_worker = runner.worker("solo-appender", self._handle_solos, threads=_SOLO_THREADS, most=1)

    def append(self, append: Append) -> None:
        """Takes a draft to be kept, from any thread."""
        (self._worker if append.draft.file is None else self._solo_worker).put(append)

    def note(self, decided: Decided) -> None:
        """Takes the outcome of a message, to be appended together with the next message. Nobody waits for it."""
        self._worker.put(decided)

    def begin_anew(self) -> None:
        """Puts what follows into new packs.

        It is called when this process may have been taken for dead: others then hold its present packs for complete.
        """
        with contextlib.suppress(Stopping):
            self._worker.put(None)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Appends what was given, then calls ``stopped``."""
        self._worker.stop(lambda: self._solo_worker.stop(stopped))

    def _handle(self, batch: Sequence[Append | Decided | None]) -> None:
        groups: dict[tuple[Kind, int], list[Append]] = {}
        decided = []
        for item in batch:
            if item is None:
                while self._current:
                    self._packs.full(self._current.popitem()[1])
            elif isinstance(item, Decided):
                decided.append(item)
            else:
                groups.setdefault((item.draft.kind, item.draft.day), []).append(item)
        for key, appends in groups.items():
            self._append(key, appends, decided)
            decided = []
        if decided:
            self._append(next(iter(self._current), (Kind.MAIL, 0)), [], decided)
        self._done([item for item in batch if isinstance(item, Append)])

    def _append(self, key: tuple[Kind, int], appends: Sequence[Append], decided: Sequence[Decided]) -> None:
        pack = None
        try:
            pack = self._pack(key)
            pieces, bodies, end = _encode(pack, appends, decided)
            pack.file.write(b"".join(pieces), pack.end)
            if appends:  # an outcome alone waits for the next message's sync: it only ever repairs an index
                pack.file.sync()
        except Exception as error:  # whatever it was: who waits must hear of it
            if pack is not None:
                self._leave(key, pack)
            _fail(appends, error)
            return
        pack.end = end
        for append, body in zip(appends, bodies, strict=True):
            append.body = body

    def _pack(self, key: tuple[Kind, int]) -> Pack:
        pack = self._current.get(key)
        if pack is not None and pack.end >= PACK_SIZE:
            self._packs.full(self._current.pop(key))
            pack = None
        if pack is None:
            pack = self._current[key] = self._packs.create(*key)
        return pack

    def _leave(self, key: tuple[Kind, int], pack: Pack) -> None:
        """After a failed write or sync nobody knows what of it is on the disk: what follows goes into a new file."""
        del self._current[key]
        try:
            if pack.end == layout.FILE_LENGTH:
                self._packs.forget(pack)
            else:
                self._packs.full(pack)
                pack.file.truncate(pack.end)
        except OSError as error:
            _log.error("cannot tidy up a pack: {error}", error=error)

    def _handle_solos(self, appends: Sequence[Append]) -> None:
        for append in appends:
            try:
                append.body = self._finish_solo(append)
            except Exception as error:
                append.draft.drop_file()
                _fail([append], error)
        self._done(appends)

    def _finish_solo(self, append: Append) -> Body:
        """The body is where it stays; head and headers are put round it, and all of it made durable."""
        draft = append.draft
        assert draft.file is not None
        raw_head = layout.encode_head(append.head)
        draft.file.write(raw_head, layout.SOLO_BODY + draft.size)
        header = layout.entry_header(Record.BODY, raw_head, draft.size, draft.crc)
        draft.file.write(header, layout.SOLO_BODY - layout.HEADER_LENGTH)
        draft.file.write(layout.file_header(Kind.SOLO, draft.number, draft.day), 0)
        draft.file.sync()
        draft.kept()
        self._packs.disk.sync_folder(self._packs.folder)
        end = layout.SOLO_BODY + draft.size + len(raw_head)
        self._packs.record(Pack(draft.number, Kind.SOLO, draft.day, draft.file, end))
        return Body(append.head.id, draft.number, layout.SOLO_BODY, draft.size, append.head.prefix, draft.crc)


def _fail(appends: Sequence[Append], error: Exception) -> None:
    failure = temporary(error, "the message cannot be written to its pack")
    _log.error("append failed: {error}", error=failure, often=True)
    for append in appends:
        append.error = failure


def _encode(pack: Pack, appends: Sequence[Append], decided: Sequence[Decided]) -> tuple[list[bytes], list[Body], int]:
    """What is appended, the bodies in it, and where the pack then ends."""
    pieces: list[bytes] = []
    bodies = []
    end = pack.end
    for append in appends:
        draft, head = append.draft, append.head
        raw_head = layout.encode_head(head)
        bodies.append(Body(head.id, pack.id, end + layout.HEADER_LENGTH, draft.size, head.prefix, draft.crc))
        pieces.append(layout.entry_header(Record.BODY, raw_head, draft.size, draft.crc))
        pieces.extend(append.pieces)
        pieces.append(raw_head)
        end += layout.HEADER_LENGTH + draft.size + len(raw_head)
    for record in decided:
        raw_head = layout.encode_head(record)
        pieces.append(layout.entry_header(Record.DECIDED, raw_head, 0, 0))
        pieces.append(raw_head)
        end += layout.HEADER_LENGTH + len(raw_head)
    return pieces, bodies, end
