"""FETCH (RFC 3501 §6.4.5): rows joined in steps, bodies read in batches, large messages passed on in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from twisted.logger import Logger

from mpcontinuity.access.imap.sections import Part, Piece, Plan, compile_items
from mpcontinuity.access.imap.selection import Selection
from mpcontinuity.access.imap.services import PIECE
from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.read import Row, rows
from mpcontinuity.model import uidset
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.items import Attribute

# Rows of one read: with what is rendered some hundred KiB, and 3 ms of joining before other sessions have their turn.
_ROWS = 1000
_RENDERED_ROWS = 250

# Bodies that are read together, in one step of a reader's thread.
_BATCH_OCTETS = 512 * 1024
_BATCH_BODIES = 100

# A message above this is not read whole: its pieces follow each other through the transport.
_WHOLE = 256 * 1024

_Answer = tuple[int, Row, list[Part]]  # message number, row, sections

_log = Logger()


class Damaged(Exception):
    """A message turned out corrupt when a part of it was on the wire already: the connection cannot go on."""


async def fetch(session: Session, asked: command.Fetch) -> Status:
    selection = session.selected
    uids = selection.uids(asked.numbers, uid=asked.uid)
    items = asked.items
    if asked.uid and Attribute.UID not in items:
        items = (Attribute.UID, *items)
    fetching = _Fetching(session, selection, compile_items(items, selection.flags_text))
    step = _RENDERED_ROWS if fetching.plan.rendered else _ROWS
    for begin in range(0, len(uids), step):
        await fetching.step(uids[begin : begin + step])
    session.transfer.fetched += fetching.answered
    if fetching.damaged:
        return no(f"{fetching.damaged} of the messages cannot be read: damaged on disk", b"CORRUPTION")
    if fetching.missing and not asked.uid:
        return no(f"{fetching.missing} of the messages are expunged", b"EXPUNGEISSUED")
    return ok("fetched")


class _Fetching:
    """One FETCH."""

    def __init__(self, session: Session, selection: Selection, plan: Plan) -> None:
        self.plan = plan
        self.answered = 0
        self.damaged = 0
        self.missing = 0
        self._session = session
        self._selection = selection
        self._store = session.services.store
        self._sees = plan.sees and not selection.read_only

    async def step(self, uids: Sequence[int]) -> None:
        plan = self.plan
        found = await self._store.read(
            partial(rows, mailbox=self._selection.mailbox, uids=uids, rendered=plan.rendered, body=plan.body)
        )
        self.missing += len(uids) - len(found)
        if plan.sections:
            await self._with_sections(found)
        else:
            await self._join(found)

    async def _join(self, found: Sequence[Row]) -> None:
        """Answers from the index alone."""
        attributes = self.plan.attributes
        sequence = self._selection.view.sequence
        lines = []
        size = 0
        for row in found:
            line = b"* %d FETCH (%s)\r\n" % (sequence(row[0]), b" ".join([show(row) for show in attributes]))
            lines.append(line)
            size += len(line)
            if size >= PIECE:
                self._session.send(b"".join(lines))
                await self._session.flush()
                lines.clear()
                size = 0
        self._session.send(b"".join(lines))
        await self._session.flush()
        self.answered += len(found)

    async def _with_sections(self, found: Sequence[Row]) -> None:
        sequence = self._selection.view.sequence
        answers = [(sequence(row[0]), row, [locate(row) for locate in self.plan.sections]) for row in found]
        for batch in _batches(answers):
            _, row, parts = batch[0]
            if len(batch) == 1 and row[4] > _WHOLE and _needs_body(parts):
                await self._stream(batch[0])
            else:
                await self._answer_batch(batch)

    async def _answer_batch(self, batch: Sequence[_Answer]) -> None:
        readable = [(answer, _body(answer[1])) for answer in batch if _needs_body(answer[2])]
        contents = {}
        if readable:
            read = await self._store.bodies.read_many([body for _, body in readable])
            contents = {answer[0]: content for (answer, _), content in zip(readable, read, strict=True)}
        whole = []
        for answer in batch:
            content = contents.get(answer[0], b"")
            if isinstance(content, Corrupt):
                self._report(content)
            else:
                whole.append((answer, content))
        flags = await self._see([answer[1] for answer, _ in whole])
        size = 0
        for (sequence, row, parts), content in whole:
            line = response.fetched(
                sequence, [*self._attributes(row, flags), *(_shown(part, content) for part in parts)]
            )
            self._session.send(line)
            size += len(line)
            if size >= PIECE:
                await self._session.flush()
                size = 0
        await self._session.flush()
        self.answered += len(whole)

    async def _stream(self, answer: _Answer) -> None:
        """One large message, or parts of it. Raises Damaged once it is too late for another answer."""
        sequence, row, parts = answer
        session = self._session
        content = self._store.bodies.content(_body(row))
        pieces = [part for part in parts if isinstance(part, Piece)]
        try:
            # What stands first is read before anything is said, so that a missing file is an ordinary answer.
            first = await content.read(pieces[0].start, min(PIECE, pieces[0].stop - pieces[0].start))
            flags = await self._see([row])
        except Corrupt as error:
            self._report(error)
            return
        session.send(b"* %d FETCH (%s" % (sequence, b" ".join(self._attributes(row, flags))))
        try:
            for number, part in enumerate(parts):
                session.send(b" " if number or self.plan.attributes or flags else b"")
                if isinstance(part, bytes):
                    session.send(part)
                    continue
                if part.names is not None:
                    session.send(part.answer(await content.read(part.start, part.stop - part.start)))
                    continue
                session.send(part.section.label + b" {%d}\r\n" % (part.stop - part.start))
                start = part.start
                if part is pieces[0]:
                    session.send(first)
                    start += len(first)
                    first = b""
                while start < part.stop:
                    await session.flush()
                    data = await content.read(start, min(PIECE, part.stop - start))
                    session.send(data)
                    start += len(data)
        except Corrupt as error:
            self._report(error)
            raise Damaged from error
        session.send(b")\r\n")
        await session.flush()
        self.answered += 1

    def _attributes(self, row: Row, flags: dict[int, int]) -> list[bytes]:
        """With the flags as they are now, which are told unasked where \\Seen was added."""
        mask = flags.get(row[0])
        if mask is None:
            return [show(row) for show in self.plan.attributes]
        row = (row[0], mask, *row[2:])
        shown = [show(row) for show in self.plan.attributes]
        if not self.plan.flags:
            shown.append(self._selection.flags_text(mask))
        return shown

    async def _see(self, found: Sequence[Row]) -> dict[int, int]:
        """Sets \\Seen where that is due: the new flags by UID. A full disk keeps nobody from reading."""
        unseen = [row[0] for row in found if not row[1] & SEEN] if self._sees else []
        if not unseen:
            return {}
        work = partial(
            change.store_flags,
            mailbox=self._selection.mailbox,
            uids=uidset.of(unseen),
            how="add",
            flags=SEEN,
            keywords=(),
        )
        try:
            changed = await self._store.run(work)
        except Temporary:
            return {}
        self._selection.view.own(changed.modseq)
        return {uid: mask for uid, mask, _ in changed.messages}

    def _report(self, error: Corrupt) -> None:
        self.damaged += 1
        _log.error("session={session} {error}", session=self._session.name, error=error)


def _needs_body(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Piece) for part in parts)


def _shown(part: Part, content: bytes) -> bytes:
    return part if isinstance(part, bytes) else part.answer(content[part.start : part.stop])


def _body(row: Row) -> Body:
    body = row[6]
    assert body is not None
    return body


def _batches(answers: Sequence[_Answer]) -> Iterator[list[_Answer]]:
    """Of so many that their bodies may be in memory together; a large one alone."""
    batch: list[_Answer] = []
    octets = 0
    for answer in answers:
        size = answer[1][4] if _needs_body(answer[2]) else 0
        if batch and (octets + size > _BATCH_OCTETS or size > _WHOLE or len(batch) == _BATCH_BODIES):
            yield batch
            batch, octets = [], 0
        batch.append(answer)
        octets += size
        if size > _WHOLE:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch
