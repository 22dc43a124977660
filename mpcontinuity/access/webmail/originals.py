"""A message that is answered, forwarded or written on: what an answer needs of it, and its files for a draft.

What it says is read by the reader processes, as for its own page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from mpcontinuity.access.webmail import archive_search, dates
from mpcontinuity.access.webmail.reading import MOST_UID, Message
from mpcontinuity.access.webmail.signed_in import Visit
from mpcontinuity.mailbox import drafts, read
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.drafts import Draft, Written
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.message import composing, typed_addresses
from mpcontinuity.message.composing import Correspondent
from mpcontinuity.message.display import composed
from mpcontinuity.message.display.show import PICTURES
from mpcontinuity.message.display.shown import Attachment, Person, Shown
from mpcontinuity.model import identifier
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.flags import DRAFT
from mpcontinuity.web.languages import marked
from mpcontinuity.writing import answering, composition
from mpcontinuity.writing.answering import Original

_IN_PART = frozenset({"too-much", "cut", "busy", "died", "encrypted"})
_ALL_FILES = marked(
    "This message has more files than can be taken along: forward it as an attachment, which has all of them"
)
_ELSEWHERE = marked("This draft can only be written on in the mail program that it is of")
_ARCHIVE = "archive:"  # before the id of a message of the archive


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message of the user is. ``entry`` is mailbox << 32 | uid, 0 for one of the archive. ``date`` is in µs."""

    message: Message
    entry: int
    date: int
    is_draft: bool = False  # of a mail program, in the folder of drafts


async def find(visit: Visit, named: str) -> Place:
    """Returns a message of the user that is named as ``folder.uid``, or ``archive:id``. Raises Refused."""
    if named.startswith(_ARCHIVE):
        archived, _ = await archive_search.own(visit, named.removeprefix(_ARCHIVE))
        return Place(Message(visit.user.id, 0, 0, archived.body), 0, archived.time)
    folder, uid = place(visit, named)
    found = await visit.folder(folder)
    work = partial(read.rows, mailbox=found.id, uids=[uid], body=True)
    rows = await visit.services.control.store.read(work)
    body = rows[0][read.BODY] if rows else None
    if body is None:
        raise Refused(visit.said("This message is not there any more"), "unknown")
    entry = found.id << UID_BITS | uid
    holds_drafts = found.use == drafts.USE or (not found.use and found.name == "Drafts")
    is_draft = holds_drafts and bool(rows[0][read.FLAGS] & DRAFT)
    return Place(Message(visit.user.id, found.id, uid, body), entry, rows[0][read.INTERNALDATE], is_draft)


def place(visit: Visit, named: str) -> tuple[int, int]:
    """Returns folder and UID of what is named as ``folder.uid``. Raises Refused where it is nothing of that kind."""
    folder, _, uid = named.partition(".")
    numbers = folder.isascii() and folder.isdecimal() and uid.isascii() and uid.isdecimal() and len(named) < 30
    if not numbers or not 0 < int(uid) <= MOST_UID:
        raise Refused(visit.said("There is no such message"), "unknown")
    return int(folder), int(uid)


async def original(visit: Visit, found: Place) -> Original:
    """Returns what an answer needs of a message. Raises Corrupt, Temporary, and Refused where no reader can read it."""
    shown = await _taken_apart(visit, found)
    return Original(
        entry=found.entry,
        subject=shown.subject,
        sender=_people(shown.sender),
        reply_to=_people(shown.reply_to),
        to=_people(shown.to),
        cc=_people(shown.cc),
        more=shown.more,
        message_id=shown.message_id,
        references=shown.references.split() or shown.in_reply_to.split()[:1],
        sent=dates.full(visit.language, found.date),
        text=shown.text,
    )


class Begun(NamedTuple):
    """What stands in a draft of a mail program: the names of its files, and how many pictures from elsewhere it shows,
    which are left out."""

    written: Written
    files: Sequence[str]
    missing: int


async def draft(visit: Visit, found: Place) -> Begun:
    """Returns what stands in a draft that a mail program has put into a mailbox.

    Raises Corrupt, Temporary, and Refused where not all of it would stand in it.
    """
    shown = await _taken_apart(visit, found)
    if _IN_PART & set(shown.shortfalls) or shown.more:  # to go on with a part of it would lose the rest
        raise Refused(visit.said(_ELSEWHERE), "conflict")
    sender = _people(shown.sender)
    html = (await visit.services.reading.quoted(found.message, _ends(visit, found))).html if shown.rich else ""
    if len(html) > composition.LONGEST_TEXT:
        raise Refused(visit.said(_ELSEWHERE), "conflict")
    written = Written(
        sender=sender[0].address.text if sender else "",
        to=composing.listed(_people(shown.to)),
        cc=composing.listed(_people(shown.cc)),
        bcc=composing.listed(_people(shown.bcc)),
        subject=shown.subject,
        text=shown.text,
        in_reply_to=shown.in_reply_to,
        references=tuple(shown.references.split()[: composing.MOST_REFERENCES]),
        rich=bool(html),
        html=html,
    )
    files = [each.name for each in shown.attachments if f'"cid:{_content_id(visit, found, each)}"' not in html]
    return Begun(written, files, shown.remote)


async def quote(visit: Visit, to: Draft, attached: Sequence[Attached], found: Place) -> None:
    """Has a draft quote a message, with the pictures that it shows. What is attached already is not attached again, so
    that this can be tried as often as it fails.

    Raises Refused, Corrupt and Temporary.
    """
    desk, reading = visit.services.desk, visit.services.reading
    shown = await _taken_apart(visit, found)
    said = await reading.quoted(found.message, _ends(visit, found))
    there = {one.content_id for one in attached if one.complete}
    for each in shown.attachments:
        name = _content_id(visit, found, each)
        if name and name not in there and f'"cid:{name}"' in said.html:
            file = (each.name, each.kind, each.size)
            picture = await desk.attach(visit.user, to.id, *file, role="picture", content_id=name)
            await _fill(visit, picture, found, each)
    quoted = answering.quote(await original(visit, found), said.html, to.written.how, visit.said)
    octets = composition.quote_octets(quoted)
    file = ("quote.json", "application/json", len(octets))
    kept = await desk.attach(visit.user, to.id, *file, role="quote")
    await desk.take(visit.user, kept, 0, _pieces(octets))


async def _pieces(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def _fill(visit: Visit, attached: Attached, found: Place, each: Attachment) -> None:
    desk = visit.services.desk
    size = await desk.take(visit.user, attached, 0, visit.services.reading.decoded(found.message, each))
    await desk.end(attached, size)


def _ends(visit: Visit, found: Place) -> str:
    """What the Content-IDs of the pictures of a message end with in letters of this user."""
    return f"{identifier.show(found.message.body.id)}@{_domain(visit)}"


def _content_id(visit: Visit, found: Place, each: Attachment) -> str:
    """By what a letter names a picture of a message; empty for what is none."""
    shown = each.content_id and each.kind in PICTURES
    return composed.content_id(each, _ends(visit, found)) if shown else ""


async def enclose(visit: Visit, to: Draft, found: Place) -> None:
    """Attaches a whole message to a draft, as a file by its subject, which one that cannot be read is without.

    Raises Refused, Corrupt and Temporary.
    """
    desk, shown = visit.services.desk, await visit.services.reading.shown(found.message, _domain(visit))
    name = f"{composing.shown(shown.subject, 100) or 'message'}.eml"
    attached = await desk.attach(visit.user, to.id, name, composing.MESSAGE, found.message.body.length)
    await desk.take(visit.user, attached, 0, visit.services.reading.source(found.message))


async def take_files(visit: Visit, to: Draft, found: Place) -> None:
    """Attaches all files of a message to a draft. Raises Refused, Corrupt and Temporary."""
    desk, shown = visit.services.desk, await _taken_apart(visit, found)
    if "parts" in shown.shortfalls:
        raise Refused(visit.said(_ALL_FILES), "conflict")
    for each in shown.attachments:
        file = (each.name, each.kind, each.size)
        attached = await desk.attach(visit.user, to.id, *file, content_id=_content_id(visit, found, each))
        await _fill(visit, attached, found, each)


async def says(visit: Visit, body: Body, written: Written) -> bool:
    """Returns whether a message of the user says what stands in a form, and to the same people; not how it was broken
    into lines. Raises Refused, Corrupt and Temporary."""
    shown = await _taken_apart(visit, Place(Message(visit.user.id, 0, 0, body), 0, 0))
    people = {one.address.key for field in (shown.to, shown.cc, shown.bcc) for one in _people(field)}
    typed = [one for text in (written.to, written.cc, written.bcc) for one in typed_addresses.read(text).people]
    said, meant = "".join(shown.text.split()), "".join(written.text.split())
    return (
        (said.startswith(meant) if written.quoted else said == meant)
        and shown.subject.split() == written.subject.split()
        and people == {one.address.key for one in typed}
    )


async def _taken_apart(visit: Visit, found: Place) -> Shown:
    return await visit.services.reading.taken_apart(found.message, _domain(visit))


def _domain(visit: Visit) -> str:
    return parse(visit.user.address).domain


def _people(people: Iterable[Person]) -> list[Correspondent]:
    """Those who have an address."""
    found = []
    for one in people:
        try:
            found.append(Correspondent(composing.shown(one.name, composing.LONGEST_NAME), parse(one.address)))
        except BadAddress:
            continue
    return found
