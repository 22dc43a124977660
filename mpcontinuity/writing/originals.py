"""Reads a stored message that is answered, forwarded or written on, and takes files out of it for a draft."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore

from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox import read
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.drafts import Draft, Written
from mpcontinuity.message import composing, text
from mpcontinuity.message.composing import Correspondent
from mpcontinuity.message.display.choosing import choose
from mpcontinuity.message.display.show import show
from mpcontinuity.message.display.shown import Attachment, Person, Shown, Wanted
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.store import Store
from mpcontinuity.writing.answering import Original
from mpcontinuity.writing.desk import Desk

T = TypeVar("T")

_PIECE: Final = 256 * 1024
# Messages that are held at a time in order to read them: each may be as large as messages may be.
_held = DeferredSemaphore(2)


async def original(store: Store, mailbox: int, uid: int, said: Callable[[int], str]) -> Original:
    """Returns what an answer needs of a message. ``said`` writes its internal date (µs) for people.

    Raises Refused where it is not there any more, Corrupt and Temporary.
    """
    body, date = await _row(store, mailbox, uid)
    shown = await _locked(_shown(store, body))
    return Original(
        entry=mailbox << UID_BITS | uid,
        subject=shown.subject,
        sender=_people(shown.sender),
        reply_to=_people(shown.reply_to),
        to=_people(shown.to),
        cc=_people(shown.cc),
        message_id=shown.message_id,
        references=shown.references.split() or shown.in_reply_to.split()[:1],
        sent=said(date),
        text=shown.text,
    )


async def draft_of(store: Store, mailbox: int, uid: int) -> Written:
    """Returns what stands in a draft that a mail program has put into a mailbox. Raises Refused, Corrupt, Temporary."""
    body, _ = await _row(store, mailbox, uid)
    shown = await _locked(_shown(store, body))
    sender = _people(shown.sender)
    return Written(
        sender=sender[0].address.text if sender else "",
        to=composing.listed(_people(shown.to)),
        cc=composing.listed(_people(shown.cc)),
        bcc=composing.listed(_people(shown.bcc)),
        subject=shown.subject,
        text=shown.text,
        in_reply_to=shown.in_reply_to,
        references=tuple(shown.references.split()[: composing.MOST_REFERENCES]),
    )


async def enclose(desk: Desk, user: User, draft: Draft, mailbox: int, uid: int) -> None:
    """Attaches a whole message to a draft, as a file by its subject. Raises Refused, Corrupt and Temporary."""
    body, _ = await _row(desk.store, mailbox, uid)
    content = desk.store.bodies.content(body)
    shown = await _locked(_shown(desk.store, body))
    name = f"{composing.shown(shown.subject, 100) or 'message'}.eml"
    attached = await desk.attach(user, draft.id, name, composing.MESSAGE, body.length)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, body.length, _PIECE):
            yield await content.read(start, min(_PIECE, body.length - start))

    await desk.take(user, attached, 0, pieces())


async def take_files(desk: Desk, user: User, draft: Draft, mailbox: int, uid: int) -> None:
    """Attaches the files of a message to a draft. Raises Refused, Corrupt and Temporary."""
    body, _ = await _row(desk.store, mailbox, uid)
    await _locked(_take_files(desk, user, draft, body))


async def _take_files(desk: Desk, user: User, draft: Draft, body: Body) -> None:
    background = desk.store.bodies.background
    content = await desk.store.bodies.read(body)
    files = await background(partial(_files, content))
    for file, part in files:
        size = await background(partial(_size, content, part))
        attached = await desk.attach(user, draft.id, file.name, file.kind, size)
        await desk.take(user, attached, 0, _decoded(desk.store, content, part))


async def _decoded(store: Store, content: bytes, part: Part) -> AsyncIterator[bytes]:
    octets = text.octets(content, part)
    while piece := await store.bodies.background(partial(_next, octets)):
        yield piece


def _next(octets: Iterator[bytes]) -> bytes:
    return next(filter(None, octets), b"")


def _size(content: bytes, part: Part) -> int:
    return sum(map(len, text.octets(content, part)))


def _files(content: bytes) -> list[tuple[Attachment, Part]]:
    shown = show(content, Wanted(length=len(content), plain=True))
    parts = {file.path: file.part for file in choose(scan(content)).files}
    return [(each, parts[each.path]) for each in shown.attachments]


async def _row(store: Store, mailbox: int, uid: int) -> tuple[Body, int]:
    """Where the message is, and its internal date."""
    rows = await store.read(partial(read.rows, mailbox=mailbox, uids=[uid], body=True))
    body = rows[0][read.BODY] if rows else None
    if body is None:
        raise Refused("this message is not there any more", "unknown")
    return body, rows[0][read.INTERNALDATE]


async def _shown(store: Store, body: Body) -> Shown:
    content = await store.bodies.read(body)
    return await store.bodies.background(partial(show, content, Wanted(length=len(content), plain=True)))


async def _locked(work: Coroutine[Any, Any, T]) -> T:
    found: T = await _held.run(Deferred.fromCoroutine, work)
    return found


def _people(people: Iterable[Person]) -> list[Correspondent]:
    """Those who have an address."""
    found = []
    for one in people:
        try:
            found.append(Correspondent(composing.shown(one.name, composing.LONGEST_NAME), parse(one.address)))
        except BadAddress:
            continue
    return found
