"""Messages as they are shown: asked of the reader processes, and kept for a moment.

A message is read once for its page and its frame. Where a reader dies over it another one is asked for its text alone,
and where that cannot be had either, its first octets are shown as they are (docs/decisions/0047). They are to be looked
at only: who does something with a message needs all of it, or hears that it cannot be had.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.access.webmail.kept import Kept, Unread
from mpcontinuity.accounts import users
from mpcontinuity.archive import archived
from mpcontinuity.children.pool import PIECE
from mpcontinuity.children.readers import Busy, Died, Readers
from mpcontinuity.mailbox import mailboxes, read, trusted_senders
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.message.display import work
from mpcontinuity.message.display.composed import Composed
from mpcontinuity.message.display.shown import Attachment, Header, Shown, Wanted
from mpcontinuity.message.display.unread import LONGEST, unread
from mpcontinuity.message.transfer import ENCODINGS, decoder
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.texts import marked
from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.verdicts import record

MOST_UID: Final = (1 << 32) - 1  # RFC 9051 §2.3.1.1: what is above would name a message of another folder
MOST_DEPTH: Final = 8  # messages within each other that have pages: each is read to find the next one
WITHIN: Final = re.compile(r"[0-9.]{1,200}(?:_[0-9.]{1,200}){0,7}")
_LASTS: Final = 15 * 60  # s that a path of pictures is valid, at least; twice that at most
_KEY: Final = "webmail-pictures"  # in `meta`
_MAC: Final = 16  # octets of a path's proof
_DIED: Final = marked(
    "this message cannot be taken apart here: its original, which has all that is in it, can be saved"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a message stands within another one: ``content[start:end]`` of that, in a transfer ``encoding``."""

    start: int
    end: int
    encoding: str

    @property
    def plain(self) -> bool:
        """Whether it stands there as it is."""
        return self.encoding not in ENCODINGS


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a user: whose it is, where it is, and where its octets are.

    It is in a folder, or it has an id of the archive. One that is enclosed in it is found by ``within``, the paths of
    the parts that lead to it, such as ``2_1.3``, and ``spans`` are where its octets are.
    """

    account: int
    folder: int
    uid: int
    body: Body
    archived: str = ""
    within: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def outer(self) -> str:
        """The path of the page of the message that is in the folder."""
        return f"/archive/{self.archived}" if self.archived else f"/mail/{self.folder}/{self.uid}"

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"{self.outer}/enclosed/{self.within}" if self.within else self.outer

    @property
    def above(self) -> str:
        """The path of the page of the message that it is enclosed in; its own, where it is in none."""
        around = self.within.rpartition("_")[0]
        return f"{self.outer}/enclosed/{around}" if around else self.outer

    @property
    def name(self) -> str:
        """What it is called in paths that prove something."""
        around = self.archived or f"{self.folder}.{self.uid}"
        return f"{around}~{self.within.replace('.', '-')}" if self.within else around

    @property
    def length(self) -> int:
        """Its size in octets; an upper bound where its transfer encoding has to be undone."""
        return self.spans[-1].end - self.spans[-1].start if self.spans else self.body.length

    @property
    def depth(self) -> int:
        """How many messages are around it."""
        return self.within.count("_") + 1 if self.within else 0

    def enclosed(self, what: Attachment) -> str:
        """Returns the path of the page of a message that is enclosed in it; empty for what is none, or too deep."""
        if what.note != "message" or self.depth >= MOST_DEPTH:
            return ""
        return (
            f"{self.outer}/enclosed/{self.within}_{what.path}" if self.within else f"{self.outer}/enclosed/{what.path}"
        )

    def enclosing(self, what: Attachment) -> Message:
        """Returns the message that it encloses there."""
        span, spans = Span(what.start, what.end, what.encoding), self.spans
        if spans and spans[-1].plain:
            first = spans[-1].start
            span, spans = Span(first + what.start, first + what.end, what.encoding), spans[:-1]
        within = f"{self.within}_{what.path}" if self.within else what.path
        return replace(self, within=within, spans=(*spans, span))


# What was asked of a reader: the body, which message within it, the path of its pictures, whether those from elsewhere
# are loaded, and the domain of the user, on which warnings depend.
_Asked = tuple[int, str, str, bool, str]


def path_of(entry: int) -> str:
    """Returns the path of the page of a message by its entry, mailbox << 32 | uid."""
    return f"/mail/{entry >> UID_BITS}/{entry & MOST_UID}"


async def body_of(store: Store, folder: int, uid: int) -> Body | None:
    """Returns where the octets of a message are; None where there is no such message in the folder."""
    if not 0 < uid <= MOST_UID:
        return None
    rows = await store.read(partial(read.rows, mailbox=folder, uids=[uid], body=True))
    return rows[0][read.BODY] if rows else None


class Reading:
    """Reads messages for the pages. It lives in the reactor thread."""

    def __init__(self, store: Store, readers: Readers, randomness: Randomness) -> None:
        self._store = store
        self._readers = readers
        self._randomness = randomness
        self._key = b""
        self._kept = Kept(store.clock)

    async def shown(self, of: Message, domain: str, *, remote: bool = False, anew: bool = False) -> Shown:
        """Returns what is shown of a message. ``domain`` is the user's, of which others may look like.

        With ``remote`` the browser loads pictures from elsewhere. With ``anew``, what readers gave up on a moment ago
        is tried again. Raises Corrupt and Temporary; not where a reader cannot read it, which ``shortfalls`` say: then
        it is the beginning of its source, without any attachment.
        """
        try:
            return await self._read(of, domain, remote=remote, anew=anew)
        except Unread as unread_:
            return unread(await self._beginning(of), unread_.why)

    async def _beginning(self, of: Message) -> bytes:
        beginning = b""
        async with aclosing(self.source(of)) as pieces:
            async for piece in pieces:
                beginning += piece
                if len(beginning) >= LONGEST:
                    break
        return beginning[:LONGEST]

    async def taken_apart(self, of: Message, domain: str) -> Shown:
        """Returns the same for who does something with it: to list no attachment would be to say that there is none.

        Raises Temporary where too much is to be read at the time, Refused where readers gave up on it, and Corrupt.
        """
        try:
            return await self._read(of, domain, remote=False)
        except Unread as unread_:
            if unread_.why == "busy":
                raise Temporary("too many messages are being read") from unread_
            raise Refused(_DIED, "conflict") from unread_

    async def _read(self, of: Message, domain: str, *, remote: bool, anew: bool = False) -> Shown:
        images = await self.pictures(of)
        key: _Asked = (of.body.id, of.within, images, remote, domain)
        return await self._kept.get(key, partial(self._read_now, of, images, domain, remote=remote), anew=anew)

    async def _read_now(self, of: Message, images: str, domain: str, *, remote: bool) -> Shown:
        addresses, dmarc = await self._store.read(partial(_known, of=of))
        wanted = Wanted(
            of.length, images, remote=remote, domains=(domain,) if domain else (), dmarc=dmarc, addresses=addresses
        )
        try:
            return work.as_shown(await self._ask(of, wanted, work.SHOW))
        except Busy:
            raise Unread("busy") from None
        except (Died, msgspec.MsgspecError):
            return await self._read_text(of, wanted)

    async def _read_text(self, of: Message, wanted: Wanted) -> Shown:
        """What a second reader says, which leaves HTML alone."""
        try:
            text = work.as_shown(await self._ask(of, msgspec.structs.replace(wanted, plain=True), work.SHOW))
        except Busy:
            raise Unread("busy") from None
        except (Died, msgspec.MsgspecError):
            raise Unread("died") from None
        return msgspec.structs.replace(text, shortfalls=(*text.shortfalls, "died"))

    async def quoted(self, of: Message, ends: str) -> Composed:
        """Returns what a message says, to be quoted in a letter (`composed.quoted`).

        Raises Temporary where too much is to be read at the time, Refused where readers gave up on it, and Corrupt.
        """
        try:
            return work.as_composed(await self._ask(of, Wanted(of.length, ends), work.QUOTE))
        except Busy:
            raise Temporary("too many messages are being read") from None
        except (Died, msgspec.MsgspecError):
            raise Refused(_DIED, "conflict") from None

    async def composed(self, account: int, html: str) -> Composed | None:
        """Returns what a user has typed as it may be kept and sent; None where a reader died over it. Raises Temporary
        where too much is to be read at the time."""
        octets = html.encode("utf-8", "replace")

        async def pieces() -> AsyncGenerator[bytes, None]:
            for at in range(0, len(octets), PIECE):
                yield octets[at : at + PIECE]

        try:
            argument = work.argument(Wanted(len(octets)))
            return work.as_composed(await self._readers.ask(account, argument, work.LETTER, pieces))
        except Busy:
            raise Temporary("too many messages are being read") from None
        except (Died, msgspec.MsgspecError):
            return None

    async def header(self, of: Message) -> list[Header] | None:
        """Returns the header of a message field by field; None where no reader could read it."""
        try:
            return work.as_header(await self._ask(of, Wanted(of.length), work.HEADER))
        except (Busy, Died, msgspec.MsgspecError):
            return None

    async def attachment(self, of: Message, domain: str, path: str) -> Attachment | None:
        """Returns the attachment with that path; None where there is none. Raises what `taken_apart` raises."""
        found = await self.taken_apart(of, domain)
        return next((each for each in found.attachments if each.path == path), None)

    async def enclosed(self, of: Message, domain: str, within: str) -> Message | None:
        """Returns the message that is enclosed in one at the end of these paths, such as ``2_1.3``; None where there is
        none. Raises what `taken_apart` raises."""
        if not WITHIN.fullmatch(within):
            return None
        for path in within.split("_"):
            what = await self.attachment(of, domain, path)
            if what is None or what.note != "message":
                return None
            of = of.enclosing(what)
        return of

    def decoded(self, of: Message, what: Attachment) -> AsyncGenerator[bytes, None]:
        """Yields the octets of an attachment as they come, its transfer encoding undone."""
        return self._octets(of.enclosing(what))

    def in_turn(self, of: Message) -> InTurn:
        """Returns what yields the octets of one attachment of a message after another. Whoever has it closes it."""
        return InTurn(self, of)

    def source(self, of: Message) -> AsyncGenerator[bytes, None]:
        """Yields the octets of a message as they are."""
        return self._octets(of)

    def _octets(self, of: Message) -> AsyncGenerator[bytes, None]:
        """What stands within what is encoded is passed by on the way to it."""
        first, *others = of.spans or (Span(0, of.body.length, ""),)
        pieces = _undone(self._range(of.body, first.start, first.end), first.encoding)
        for span in others:
            pieces = _undone(_cut(pieces, span.start, span.end), span.encoding)
        return pieces

    async def _range(self, body: Body, start: int, end: int) -> AsyncGenerator[bytes, None]:
        content = self._store.bodies.content(body)
        for at in range(start, end, PIECE):
            yield await content.read(at, min(PIECE, end - at))

    async def trusts(self, of: Message, shown: Shown) -> bool:
        """Returns whether the user wants pictures from elsewhere in mail of its sender.

        That has to be who they claim, which nobody has checked of a message within another one.
        """
        if of.within or len(shown.sender) != 1 or any(each.kind == "dmarc" for each in shown.warnings):
            return False
        address = shown.sender[0].address
        return await self._store.read(partial(trusted_senders.trusts, account=of.account, address=address))

    async def pictures(self, of: Message) -> str:
        """Returns the path of the pictures of this message, which is valid for a while for whoever knows it."""
        lasts = _LASTS * SECOND
        ends = (self._store.clock.now() // lasts + 2) * _LASTS
        text = f"{of.account}.{of.name}.{ends}"
        return f"/images/{text}.{await self._proof('pictures', text)}"

    async def of_pictures(self, capability: str) -> Message | None:
        """Returns the message that a path of pictures is for; None where it is none, or no longer one."""
        text, _, proof = capability.rpartition(".")
        if not hmac.compare_digest(proof.encode(), (await self._proof("pictures", text)).encode()):
            return None
        text, _, end = text.rpartition(".")  # as we wrote it
        text, _, within = text.partition("~")
        account, *name = text.split(".")
        if int(end) * SECOND <= self._store.clock.now():
            return None
        if len(name) == 1:
            archived_ids = [identifier.parse(name[0])]
            kept = await self._store.read(partial(archived.find, ids=archived_ids))
            of = Message(int(account), 0, 0, kept[0].body, name[0]) if kept else None
        else:
            of = await self._in_folder(int(account), *map(int, name))
        if of is None or not within:
            return of
        return await self.enclosed(of, await self.domain_of(of), within.replace("-", "."))

    async def domain_of(self, of: Message) -> str:
        """Returns the domain of whose message it is: a path of pictures alone has brought us to it, without a session.
        It is empty where there is no such user any more."""
        user = await self._store.read(partial(users.by_id, account=of.account))
        return parse(user.address).domain if user is not None else ""

    async def _in_folder(self, account: int, folder: int, uid: int) -> Message | None:
        info = await self._store.read(partial(mailboxes.by_id, mailbox=folder))
        body = await body_of(self._store, folder, uid) if info is not None and info.account == account else None
        return Message(account, folder, uid, body) if body is not None else None

    async def token(self, of: Message) -> str:
        """Returns what stands in the path of a message whose pictures from elsewhere are wanted once: no link of a
        stranger can have it."""
        return await self._proof("remote", f"{of.account}.{of.name}")

    async def _proof(self, purpose: str, text: str) -> str:
        if not self._key:
            new = self._randomness.bytes(32).hex()
            self._key = bytes.fromhex(await self._store.run(partial(meta.put_new, key=_KEY, value=new)))
        digest = hmac.digest(self._key, f"{purpose} {text}".encode("utf-8", "replace"), "sha256")[:_MAC]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def _ask(self, of: Message, wanted: Wanted, question: bytes) -> bytes:
        return await self._readers.ask(of.account, work.argument(wanted), question, partial(self.source, of))


def _known(tx: Transaction, of: Message) -> tuple[tuple[str, ...], str]:
    """The addresses of whose message it is, and what was found of the domain of its sender: of nobody's who wrote what
    is within it."""
    user = users.by_id(tx, of.account)
    addresses = (user.address, *users.listed(tx, user).aliases) if user is not None else ()
    verdict = record.find(tx, of.body.id) if not of.within else None
    return addresses, verdict.dmarc if verdict is not None else ""


async def _undone(pieces: AsyncGenerator[bytes, None], encoding: str) -> AsyncGenerator[bytes, None]:
    undone = decoder(encoding)
    async with aclosing(pieces):
        async for piece in pieces:
            if decoded := undone.feed(piece):
                yield decoded
    if decoded := undone.finish():
        yield decoded


async def _cut(pieces: AsyncGenerator[bytes, None], start: int, end: int) -> AsyncGenerator[bytes, None]:
    at = 0
    async with aclosing(pieces):
        async for piece in pieces:
            if wanted := piece[max(start - at, 0) : max(end - at, 0)]:
                yield wanted
            at += len(piece)
            if at >= end:
                break


class InTurn:
    """The attachments of a message, each read to its end, in the order of where they start.

    What stands in a message that is encoded within another one comes of one pass over that: to begin at its start for
    each of them would be work by their number times its size.
    """

    def __init__(self, reading: Reading, of: Message) -> None:
        self._reading = reading
        self._of = of
        self._pieces: AsyncGenerator[bytes, None] | None = None
        self._at, self._rest = 0, b""  # where the next octet stands, and those that have come already

    def decoded(self, what: Attachment) -> AsyncGenerator[bytes, None]:
        """Yields the octets of an attachment as they come, its transfer encoding undone."""
        if not self._of.spans or self._of.spans[-1].plain:
            return self._reading.decoded(self._of, what)
        return _undone(self._between(what.start, what.end), what.encoding)

    async def aclose(self) -> None:
        """Ends what is being read."""
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            await pieces.aclose()

    async def _between(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        if self._pieces is None or start < self._at:
            await self.aclose()
            self._pieces, self._at, self._rest = self._reading.source(self._of), 0, b""
        while self._at < end:
            self._rest = self._rest or await anext(self._pieces, b"")
            if not self._rest:
                return
            count = min(len(self._rest), end - self._at)
            wanted = self._rest[max(start - self._at, 0) : count]
            self._at, self._rest = self._at + count, self._rest[count:]
            if wanted:
                yield wanted
