"""FETCH (RFC 3501 §6.4.5): rows joined in steps, bodies read in batches, large messages passed on in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.access.imap.sections import Part, Piece, Plan, compile_items
from mpcontinuity.access.imap.selection import Selection
from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.door.connection import PIECE
from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.read import BODY, FLAGS, MODSEQ, RENDERED, SIZE, UID, Row, objects, rows
from mpcontinuity.mailbox.rendering import portions, renewed
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.message.rendered import lacks
from mpcontinuity.model import uidset
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.items import Attribute

# Rows of one read. With what is rendered they are as many as make some hundred KiB, which are joined in a few ms before
# other sessions have their turn: usually 250, a single one where somebody sends messages of ten thousand parts.
_ROWS = 1000
_RENDERED_ROWS = 250
_RENDERED_OCTETS = 512 * 1024

# Bodies that are read together, in one step of a reader's thread.
_BATCH_OCTETS = 512 * 1024
_BATCH_BODIES = 100

# A message above this is not read whole: its pieces follow each other through the transport.
_WHOLE = 256 * 1024

_Answer = tuple[int, Row, list[Part]]  # message number, row, sections

_log = Logger()


class Damaged(Exception):
    """Is raised where a message turns out corrupt when a part of it is on the wire: the connection cannot go on."""


async def fetch(session: ImapSession, asked: command.Fetch) -> Status:
    """Does FETCH: sends each message as soon as it is read, while the client takes what was sent before."""
    selection = session.selected
    numbers = uidset.numbers(selection.sequences(asked.numbers, uid=asked.uid))
    items = asked.items
    if asked.uid and Attribute.UID not in items:
        items = (Attribute.UID, *items)
    fetching = _Fetching(session, selection, compile_items(items, selection.flags_text))
    while step := list(islice(numbers, fetching.rows)):
        await fetching.step(step, selection.uids_of(step))
    session.fetched += fetching.answered
    if fetching.damaged:
        return no(f"{fetching.damaged} of the messages cannot be read: damaged on disk", b"CORRUPTION")
    if fetching.missing and not asked.uid:
        return ok(f"{fetching.missing} of the messages are expunged", b"EXPUNGEISSUED")
    return ok("fetched")


class _Fetching:
    """One FETCH."""

    def __init__(self, session: ImapSession, selection: Selection, plan: Plan) -> None:
        self.plan = plan
        self.rows = _RENDERED_ROWS // 5 if plan.rendered else _ROWS  # of the next step
        self.answered = 0
        self.damaged = 0
        self.missing = 0
        self._session = session
        self._selection = selection
        self._store = session.services.store
        self._sees = plan.sees and not selection.read_only

    async def step(self, numbers: Sequence[int], uids: Sequence[int]) -> None:
        plan = self.plan
        found = await self._rows(uids, rendered=plan.rendered, body=plan.body)
        if plan.objects is not None:
            work = partial(objects, mailbox=self._selection.mailbox, uids=[row[UID] for row in found])
            plan.objects.clear()
            plan.objects.update(await self._store.read(work))
            found = [row for row in found if row[UID] in plan.objects]
        if plan.rendered:
            octets = sum(len(row[RENDERED] or b"") for row in found)
            self.rows = max(1, min(_RENDERED_ROWS, _RENDERED_OCTETS * len(found) // max(octets, 1)))
        if plan.flags and await self._session.tell_keywords((row[FLAGS], row[MODSEQ]) for row in found):
            latest = self._selection.view.latest
            found = [(row[UID], latest(row[UID], row[FLAGS], row[MODSEQ]), *row[MODSEQ:]) for row in found]
        if len(found) != len(uids):  # some are expunged, and not yet told
            self.missing += len(uids) - len(found)
            number_of = dict(zip(uids, numbers, strict=True))
            numbers = [number_of[row[UID]] for row in found]
        if not plan.segments or not any(lacks(row[RENDERED] or b"", plan.segments) for row in found):
            await self._answer(numbers, found)
            return
        number_of = dict(zip([row[UID] for row in found], numbers, strict=True))
        for portion in portions(found, plan.segments):
            whole = await self._whole(portion)
            await self._answer([number_of[row[UID]] for row in whole], whole)

    async def _whole(self, portion: Sequence[Row]) -> Sequence[Row]:
        """With all that is asked of what is rendered; what cannot be read for it is told at the end."""
        whole: list[Row] = []
        for row in await renewed(self._store, self._selection.mailbox, portion, self.plan.segments):
            if isinstance(row, Corrupt):
                self._report(row)
            else:
                whole.append(row)
        return whole

    async def _answer(self, numbers: Sequence[int], found: Sequence[Row]) -> None:
        plan = self.plan
        if not plan.sections:
            template = b"* %d FETCH (" + plan.template + b")\r\n"
            values = plan.values
            await self._send(
                template % (number, *[value(row) for value in values])
                for number, row in zip(numbers, found, strict=True)
            )
            self.answered += len(found)
            return
        answers: list[_Answer] = [
            (number, row, [locate(row) for locate in plan.sections]) for number, row in zip(numbers, found, strict=True)
        ]
        if plan.body:
            await self._with_bodies(answers)
        else:
            await self._headers(answers)

    def _rows(self, uids: Sequence[int], *, rendered: bool, body: bool) -> Deferred[list[Row]]:
        work = partial(rows, mailbox=self._selection.mailbox, uids=uids, rendered=rendered, body=body)
        return self._store.read(work)

    async def _send(self, lines: Iterable[bytes]) -> None:
        """In pieces, each of them a turn of the reactor where the client reads slower than we write."""
        piece = []
        size = 0
        for line in lines:
            piece.append(line)
            size += len(line)
            if size >= PIECE:
                await self._send_piece(b"".join(piece))
                piece.clear()
                size = 0
        await self._send_piece(b"".join(piece))

    async def _send_piece(self, data: bytes) -> None:
        """A line of it may be some megabytes: to encrypt them at once would keep others waiting."""
        for start in range(0, max(len(data), 1), 2 * PIECE):
            self._session.send(data[start : start + 2 * PIECE])
            await self._session.flush()

    async def _headers(self, answers: Sequence[_Answer]) -> None:
        """Of what is rendered. Headers too long for that are few, and read from the messages."""
        lines = []
        long = []
        for number, row, parts in answers:
            shown = [part for part in parts if isinstance(part, bytes)]
            if len(shown) == len(parts):
                lines.append(response.fetched(number, [*self._attributes(row, {}), *shown]))
            else:
                long.append((number, row, parts))
        await self._send(lines)
        self.answered += len(lines)
        if long:
            read = await self._rows([row[UID] for _, row, _ in long], rendered=False, body=True)
            bodies = {row[UID]: row[BODY] for row in read}
            await self._with_bodies(
                [(number, (*row[:BODY], bodies[row[UID]]), parts) for number, row, parts in long if row[UID] in bodies]
            )

    async def _with_bodies(self, answers: Sequence[_Answer]) -> None:
        for batch in _batches(answers):
            _, row, parts = batch[0]
            if len(batch) == 1 and row[SIZE] > _WHOLE and _needs_body(parts):
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
        await self._send(
            response.fetched(number, [*self._attributes(row, flags), *(_shown(part, content) for part in parts)])
            for (number, row, parts), content in whole
        )
        self.answered += len(whole)

    async def _stream(self, answer: _Answer) -> None:
        """One large message, or parts of it. Raises Damaged once it is too late for another answer."""
        number, row, parts = answer
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
        session.send(b"* %d FETCH (%s" % (number, b" ".join(self._attributes(row, flags))))
        try:
            for place, part in enumerate(parts):
                session.send(b" " if place or self.plan.values or flags else b"")
                if isinstance(part, bytes):
                    session.send(part)
                    continue
                if part.names is not None:
                    # Longer ones are of enclosed messages, and from before there was a limit.
                    octets = min(part.stop - part.start, LONGEST)
                    session.send(part.answer(await content.read(part.start, octets)))
                    continue
                session.send(part.section.label + b" {%d}\r\n" % (part.stop - part.start))
                start = part.start
                if part is pieces[0]:
                    session.send(response.octets(first))
                    start += len(first)
                    first = b""
                while start < part.stop:
                    await session.flush()
                    data = await content.read(start, min(PIECE, part.stop - start))
                    session.send(response.octets(data))
                    start += len(data)
        except Corrupt as error:
            self._report(error)
            raise Damaged from error
        session.send(b")\r\n")
        await session.flush()
        self.answered += 1

    def _attributes(self, row: Row, flags: dict[int, int]) -> list[bytes]:
        """With the flags as they are now, which are told unasked where \\Seen was added."""
        mask = flags.get(row[UID])
        if mask is not None:
            row = (row[UID], mask, *row[MODSEQ:])
        shown = [self.plan.attributes(row)] if self.plan.values else []
        if mask is not None and not self.plan.flags:
            shown.append(self._selection.flags_text(row[UID], mask))
        return shown

    async def _see(self, found: Sequence[Row]) -> dict[int, int]:
        """Sets \\Seen where that is due: the new flags by UID. A full disk keeps nobody from reading."""
        unseen = [row[UID] for row in found if not row[FLAGS] & SEEN] if self._sees else []
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
        shown = ((mask, modseq) for _, mask, modseq in changed.messages)
        await self._session.tell_keywords(shown)
        latest = self._selection.view.latest
        return {uid: latest(uid, mask, modseq) for uid, mask, modseq in changed.messages}

    def _report(self, error: Corrupt) -> None:
        self.damaged += 1
        _log.error("{error}", session=self._session.name, error=error)


def _needs_body(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Piece) for part in parts)


def _shown(part: Part, content: bytes) -> bytes:
    return part if isinstance(part, bytes) else part.answer(content[part.start : part.stop])


def _body(row: Row) -> Body:
    body = row[BODY]
    assert body is not None
    return body


def _batches(answers: Sequence[_Answer]) -> Iterator[list[_Answer]]:
    """Of so many that their bodies may be in memory together; a large one alone."""
    batch: list[_Answer] = []
    octets = 0
    for answer in answers:
        _, row, parts = answer
        size = row[SIZE] if _needs_body(parts) else 0
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
