"""Messages as they are shown: asked of the reader processes, and kept for a moment.

A message is read once for its page and its frame. Where a reader dies over it another one is asked for its text alone,
and where that cannot be had either, its first octets are shown as they are (docs/decisions/0047). They are to be looked
at only: who does something with a message needs all of it, or hears that it cannot be had.
"""

from __future__ import annotations

import base64
import hmac
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import users
from mpcontinuity.archive import archived
from mpcontinuity.children.pool import PIECE
from mpcontinuity.children.readers import Busy, Died, Readers
from mpcontinuity.mailbox import mailboxes, read, trusted_senders
from mpcontinuity.message.display import work
from mpcontinuity.message.display.composed import Composed
from mpcontinuity.message.display.shown import Attachment, Header, Shortfall, Shown, Wanted
from mpcontinuity.message.display.unread import LONGEST, unread
from mpcontinuity.message.transfer import decoder
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from mpcontinuity.verdicts import record

MOST_UID: Final = (1 << 32) - 1  # RFC 9051 §2.3.1.1: what is above would name a message of another folder
_KEPT: Final = 16 << 20  # octets of what was read, of all users together: the pages of the last minute
_LASTS: Final = 15 * 60  # s that a path of pictures is valid, at least; twice that at most
_KEY: Final = "webmail-pictures"  # in `meta`
_MAC: Final = 16  # octets of a path's proof
_DIED: Final = "this message cannot be taken apart here: its original, which has all that is in it, can be saved"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a user: whose it is, where it is, and where its octets are.

    It is in a folder, or it has an id of the archive.
    """

    account: int
    folder: int
    uid: int
    body: Body
    archived: str = ""

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/archive/{self.archived}" if self.archived else f"/mail/{self.folder}/{self.uid}"

    @property
    def name(self) -> str:
        """What it is called in paths that prove something."""
        return self.archived or f"{self.folder}.{self.uid}"


class Unread(Exception):
    """Raised where no reader has read a message. ``why`` is ``busy`` or ``died``."""

    def __init__(self, why: Shortfall) -> None:
        super().__init__(why)
        self.why = why


# What was asked of a reader: the body, the path of its pictures, whether those from elsewhere are loaded, and the
# domain of the user, on which warnings depend.
_Asked = tuple[int, str, bool, str]


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
        self._kept: OrderedDict[_Asked, Shown] = OrderedDict()
        self._octets = 0

    async def shown(self, of: Message, domain: str, *, remote: bool = False) -> Shown:
        """Returns what is shown of a message. ``domain`` is the user's, of which others may look like.

        With ``remote`` the browser loads pictures from elsewhere. Raises Corrupt and Temporary; not where a reader
        cannot read it, which ``shortfalls`` say: then it is the beginning of its source, without any attachment.
        """
        try:
            return await self._read(of, domain, remote=remote)
        except Unread as unread_:
            beginning = await self._store.bodies.content(of.body).read(0, min(LONGEST, of.body.length))
            return unread(beginning, unread_.why)

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

    async def _read(self, of: Message, domain: str, *, remote: bool) -> Shown:
        images = await self.pictures(of)
        key = (of.body.id, images, remote, domain)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        verdict = await self._store.read(partial(record.find, body=of.body.id))
        wanted = Wanted(
            of.body.length,
            images,
            remote=remote,
            domains=(domain,),
            dmarc=verdict.dmarc if verdict is not None else "",
        )
        try:
            found = work.as_shown(await self._ask(of, wanted, work.SHOW))
        except Busy:
            raise Unread("busy") from None
        except (Died, msgspec.MsgspecError):
            return await self._read_text(of, wanted)
        self._keep(key, found)
        return found

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
            return work.as_composed(await self._ask(of, Wanted(of.body.length, ends), work.QUOTE))
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
            return work.as_header(await self._ask(of, Wanted(of.body.length), work.HEADER))
        except (Busy, Died, msgspec.MsgspecError):
            return None

    async def attachment(self, of: Message, domain: str, path: str) -> Attachment | None:
        """Returns the attachment with that path; None where there is none. Raises what `taken_apart` raises."""
        found = await self.taken_apart(of, domain)
        return next((each for each in found.attachments if each.path == path), None)

    async def decoded(self, of: Message, what: Attachment) -> AsyncGenerator[bytes, None]:
        """Yields the octets of an attachment as they come, its transfer encoding undone."""
        content = self._store.bodies.content(of.body)
        undone = decoder(what.encoding)
        for at in range(what.start, what.end, PIECE):
            if piece := undone.feed(await content.read(at, min(PIECE, what.end - at))):
                yield piece
        if piece := undone.finish():
            yield piece

    async def source(self, of: Message) -> AsyncGenerator[bytes, None]:
        """Yields the octets of a message as they are."""
        content = self._store.bodies.content(of.body)
        for at in range(0, of.body.length, PIECE):
            yield await content.read(at, min(PIECE, of.body.length - at))

    async def trusts(self, of: Message, shown: Shown) -> bool:
        """Returns whether the user wants pictures from elsewhere in mail of its sender, who is who they claim."""
        if len(shown.sender) != 1 or any(each.kind == "dmarc" for each in shown.warnings):
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
        account, *name, ends = text.split(".")  # as we wrote it
        if int(ends) * SECOND <= self._store.clock.now():
            return None
        if len(name) == 1:
            archived_ids = [identifier.parse(name[0])]
            kept = await self._store.read(partial(archived.find, ids=archived_ids))
            return Message(int(account), 0, 0, kept[0].body, name[0]) if kept else None
        return await self._in_folder(int(account), *map(int, name))

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

    def _keep(self, key: _Asked, shown: Shown) -> None:
        if key in self._kept:
            self._octets -= _weight(self._kept.pop(key))
        self._kept[key] = shown
        self._octets += _weight(shown)
        while self._octets > _KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._octets -= _weight(dropped)


def _weight(shown: Shown) -> int:
    """About the octets of it in memory."""
    return 4_000 + 2 * (len(shown.html) + len(shown.text) + len(shown.css)) + 1_000 * len(shown.attachments)
