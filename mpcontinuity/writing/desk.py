"""Where users write: what they type is saved as a draft, and what they attach is kept until the draft goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import users
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import filing
from mpcontinuity.mailbox import drafts, enclosures, sent
from mpcontinuity.mailbox.append import UID_BITS, Appended, lock
from mpcontinuity.mailbox.drafts import Draft, DraftChanged, Written
from mpcontinuity.mailbox.enclosures import PIECE, Attached, File, Role
from mpcontinuity.mailbox.quota import Quota
from mpcontinuity.message import composing
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import HOUR, MINUTE
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.flags import DRAFT, SEEN
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Limits
from mpcontinuity.model.texts import marked
from mpcontinuity.store.bodies import references
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.writing import composition

# A draft whose message is this small is shown anew whenever it is saved; a larger one at most so often, unless the user
# asks for it: a draft with large files would else be written again every few seconds. Each time the message is written
# with all its files, and the room of the last one is given back by the hourly sweep: so much is written for a user in
# an hour by a process. What is beyond that is saved, and shown in the next one.
_SMALL: Final = 256 * 1024
_SHOWN_EVERY: Final = MINUTE
_LARGE: Final = 4 * 1024 * 1024
_LARGE_SHOWN_EVERY: Final = 10 * MINUTE
_MOST_REPLACED: Final = 512 * 1024 * 1024


@dataclass(slots=True)
class Desk:
    """Saves what users write. ``limits`` may be replaced while the server runs."""

    store: Store
    quotas: Quotas
    randomness: Randomness
    hostname: str
    limits: Limits
    _shown: dict[int, int] = field(default_factory=dict)  # when large drafts were shown last, by their ids
    _hour: int = 0
    _replaced: Counter[int] = field(default_factory=Counter)  # octets written anew in it, by account

    async def addresses(self, user: User) -> list[str]:
        """Returns by which addresses the user may write: their own first, then their aliases."""
        listed = await self.store.read(partial(users.listed, user=user))
        return [user.address, *listed.aliases]

    async def find(self, user: User, id_: int) -> tuple[Draft, list[Attached]] | None:
        """Returns a draft of the user with what is attached; None where they have none of that id. Raises Temporary."""
        return await self.store.read(partial(_with_enclosures, account=user.id, id_=id_))

    def new_id(self) -> int:
        """Returns an id for a draft that may be begun."""
        return self.store.identifiers.next()

    def message_id(self, user: User, draft: int) -> str:
        """Returns the id by which the message of a draft leaves, however often that is tried, and whichever address of
        the user it is from: so it is sent once. It is in the user's domain (RFC 5322 §3.6.4)."""
        return f"<{identifier.show(draft)}@{parse(user.address).domain}>"

    async def create(self, user: User, written: Written, id_: int = 0, entry: int = 0) -> Draft:
        """Begins a draft, by an id of `new_id` that a page was given. Raises DraftChanged, Refused and Temporary."""
        id_ = id_ or self.new_id()
        work = partial(
            drafts.create,
            account=user.id,
            written=composition.bounded(written),
            id_=id_,
            message_id=self.message_id(user, id_),
            entry=entry,
        )
        return await self.store.run(work)

    async def create_with(
        self, user: User, written: Written, take: Callable[[Draft], Awaitable[None]], id_: int = 0, entry: int = 0
    ) -> Draft:
        """Begins a draft, as `create` does, with all that ``take`` attaches to it, or not at all.

        Nobody sees it before that has come. Where a draft of that entry was begun meanwhile, that one is returned.
        Raises what `create` and ``take`` raise; nothing of it remains then.
        """
        staged = await self.create(user, written)
        try:
            await take(staged)
            id_ = id_ or self.new_id()
            message_id = self.message_id(user, id_)
            work = partial(_unveil, staged=staged, id_=id_, message_id=message_id, entry=entry)
            return await self.store.run(work)
        except Exception:
            await self._drop_staged(user, staged)
            raise

    async def _drop_staged(self, user: User, staged: Draft) -> None:
        """Where that fails too, it goes a day later."""
        await self.clear(await self.store.run(partial(drafts.drop_staged, account=user.id, id_=staged.id)))

    async def sent(self, user: User, id_: int) -> Body | None:
        """Returns the copy in Sent of what a draft was; None where it has not left, or the user has no copy."""
        return await self.store.read(partial(_sent, account=user.id, message_id=self.message_id(user, id_)))

    async def copy(self, user: User, attached: Sequence[Attached], draft: Draft) -> None:
        """Attaches the same files to another draft. Raises Refused and Temporary."""
        for one in attached:
            if one.complete:
                file = (one.name, one.kind, one.size)
                new = await self.attach(user, draft.id, *file, role=one.role, content_id=one.content_id)
                await self.take(user, new, 0, composition.pieces(self.store, one))

    async def save(self, user: User, id_: int, version: int, written: Written, *, asked: bool = True) -> Draft:
        """Saves a draft, and shows it in Drafts.

        ``asked`` says that the user asked for it; what a page saves by itself every few seconds may be shown later,
        where it is large. Raises DraftChanged where another version than that one is there, Refused and Temporary.
        """
        written = composition.bounded(written)
        found = await self.find(user, id_)
        if found is None:
            raise DraftChanged(marked("this draft was sent or discarded in another window"))
        draft, attached = found
        if draft.due or draft.version != version:
            raise DraftChanged(marked("this draft was changed in another window, or is being sent"))
        attached = [one for one in attached if one.complete]
        if not self._is_to_be_shown(draft, composition.size(written, attached), asked=asked):
            return await self.store.run(
                partial(drafts.save, account=user.id, id_=id_, version=version, written=written)
            )
        return await self._show(user, draft, written, attached)

    def _is_to_be_shown(self, draft: Draft, size: int, *, asked: bool) -> bool:
        if size <= _SMALL or not draft.entry:
            return True
        now = self.store.clock.now()
        if self._hour != now // HOUR:
            self._hour = now // HOUR
            self._replaced.clear()
        every = _SHOWN_EVERY if size <= _LARGE else _LARGE_SHOWN_EVERY
        if not asked and 0 <= now - self._shown.get(draft.id, 0) < every:
            return False
        if self._replaced[draft.account] + size > _MOST_REPLACED:
            return False
        self._replaced[draft.account] += size
        return True

    async def _show(self, user: User, draft: Draft, written: Written, attached: Sequence[Attached]) -> Draft:
        store = self.store
        addressed, _ = composition.envelope(written, user.name, user.address)
        contents = await composition.contents(store, written, attached)
        made = composition.letter(
            _with(draft, written),
            addressed,
            contents,
            message_id=f"<draft-{self.message_id(user, draft.id)[1:]}",
            time=store.clock.now(),
            boundary=boundary(self.randomness),
        )
        announced = composition.size(written, attached)
        folder = await store.run(partial(drafts.folder, account=user.id))
        filed = await filing.begin(store, self.quotas, self.hostname, user, folder, announced)
        try:
            async for piece in composition.octets(store, made, contents):
                filed.write(piece)
        except BaseException:
            filed.discard()
            raise
        replacing = Replacing(draft, written, folder.id)
        await filed.end(flags=SEEN | DRAFT, keywords=(), date=None, beside=replacing)
        assert replacing.saved is not None
        if announced > _SMALL:
            if len(self._shown) >= _MOST_SHOWN:
                self._shown.clear()
            self._shown[draft.id] = store.clock.now()
        return replacing.saved

    async def discard(self, user: User, id_: int) -> None:
        """Discards a draft with its message. Raises DraftChanged and Temporary."""
        await self.clear(await self.store.run(partial(drafts.discard, account=user.id, id_=id_)))

    # What is attached

    async def attach(
        self, user: User, draft: int, name: str, kind: str, size: int, *, role: Role = "", content_id: str = ""
    ) -> Attached:
        """Begins an enclosure of ``size`` octets. A picture is given a Content-ID where it has none.

        Raises Refused where there is no room for it, and Temporary.
        """
        longest = composition.room(self.limits.message_size)
        if size > longest:
            raise Refused(marked("together with this file the message would be too large"), "conflict")
        self.store.bodies.check_room(size)
        await self.quotas.count_for_domain(user, size)
        if role == "picture" and not content_id:
            content_id = f"{identifier.show(self.new_id())}@{parse(user.address).domain}"
        shown = composing.shown(name.rpartition("\\")[2], composing.LONGEST_NAME) or "attachment"
        work = partial(
            _begin,
            account=user.id,
            draft=draft,
            file=File(shown, composing.media_type(kind), size, role, content_id),
            quota=await self.quotas.of(user),
            longest=longest,
        )
        return await self.store.run(work)

    async def take(self, user: User, attached: Attached, start: int, pieces: AsyncIterable[bytes]) -> int:
        """Takes octets of an attachment from ``start`` on, and returns how many of all are there.

        What has come is kept where the client goes. Raises Refused where these are not the next octets, or too many.
        """
        held = bytearray()
        try:
            async for piece in pieces:
                held += piece
                while len(held) >= PIECE:
                    start = await self._add(user, attached, start, bytes(held[:PIECE]))
                    del held[:PIECE]
        finally:
            if held:
                start = await self._add(user, attached, start, bytes(held))
        return start

    async def _add(self, user: User, attached: Attached, start: int, data: bytes) -> int:
        self.store.bodies.check_room(len(data))
        work = partial(_add, account=user.id, draft=attached.draft, id_=attached.id, start=start, data=data)
        await self.store.run(work)
        return start + len(data)

    async def end(self, attached: Attached, size: int) -> None:
        """Notes that an attachment has no more than the ``size`` octets that have come."""
        await self.store.run(partial(enclosures.end, id_=attached.id, size=size))

    async def detach(self, user: User, draft: int, id_: int) -> bool:
        """Removes an attachment, and returns whether there was one. Raises Temporary."""
        dropped = await self.store.run(partial(_drop, account=user.id, draft=draft, id_=id_))
        if dropped:
            await self.clear([id_])
        return dropped

    async def clear(self, ids: Sequence[int]) -> None:
        """Gives back the room of enclosures that are gone, before their user attaches the next ones."""
        try:
            for id_ in ids:
                await _drop_pieces(self.store, id_)
        except Temporary:
            pass  # `sweep` does it later


@dataclass(slots=True)
class Replacing:
    """Saves a draft in the transaction by which another message shows it (`delivery.filing.Beside`)."""

    draft: Draft
    written: Written
    folder: int  # the mailbox
    saved: Draft | None = None  # once that is committed

    def __call__(self, tx: Transaction) -> Callable[[Appended], None]:
        """Raises DraftChanged."""
        draft = self.draft
        saved = drafts.save(tx, draft.account, draft.id, draft.version, self.written)
        # At once, in ascending order: a mail program may have moved the message elsewhere, or may be moving it.
        lock(tx, {self.folder, saved.entry >> UID_BITS})
        drafts.hide(tx, saved)

        def shown(appended: Appended) -> None:
            entry = self.folder << UID_BITS | appended.first_uid
            drafts.show(tx, saved, entry)
            self.saved = msgspec.structs.replace(saved, entry=entry)

        return shown


_MOST_SHOWN: Final = 10_000  # large drafts of which this process knows when it showed them


async def sweep(store: Store) -> None:
    """Removes drafts whose message was deleted, and what was attached to drafts that are gone. Raises Temporary."""
    while ids := await store.read(drafts.orphans):
        if not await store.run(partial(drafts.drop_orphans, ids=ids), bulk=True):
            break
    while ids := await store.read(enclosures.orphans):
        if not await store.run(partial(enclosures.drop_orphans, ids=ids), bulk=True):
            break
    while ids := await store.read(enclosures.left):
        if not sum([await _drop_pieces(store, id_) for id_ in ids]):
            break


async def _drop_pieces(store: Store, id_: int) -> int:
    dropped = 0
    while some := await store.run(partial(enclosures.drop_pieces, id_=id_), bulk=True):
        dropped += some
    return dropped


def boundary(randomness: Randomness) -> str:
    """Returns a MIME boundary that nobody can guess; base64 and quoted-printable have no such line."""
    return f"=_{randomness.bytes(18).hex()}"


def is_own(addresses: Sequence[str], address: Address) -> bool:
    """Says whether an address is one of these, with a tag or without."""
    keys = set()
    for one in addresses:
        try:
            keys.add(parse(one).key)
        except BadAddress:
            continue
    return address.key in keys or address.untagged_key in keys


def _with(draft: Draft, written: Written) -> Draft:
    return Draft(
        draft.id, draft.account, draft.version, draft.entry, written, draft.due, draft.message_id, "", draft.saved
    )


def _with_enclosures(tx: Transaction, account: int, id_: int) -> tuple[Draft, list[Attached]] | None:
    draft = drafts.find(tx, account, id_)
    return None if draft is None else (draft, enclosures.of(tx, draft.id))


def _unveil(tx: Transaction, staged: Draft, id_: int, message_id: str, entry: int) -> Draft:
    """Raises DraftChanged, and Refused."""
    account = staged.account
    there = drafts.of_entry(tx, account, entry) if entry else None
    if there is None:
        there = drafts.create(tx, account, staged.written, id_, message_id, entry)
        enclosures.move(tx, account, staged.id, there.id)
    drafts.drop_staged(tx, account, staged.id)
    return there


def _sent(tx: Transaction, account: int, message_id: str) -> Body | None:
    found = sent.find(tx, account, message_id)
    return references.find(tx, found[0]) if found is not None else None


def _open(tx: Transaction, account: int, draft: int) -> None:
    """Raises Refused where the user is not writing it any more."""
    found = drafts.find(tx, account, draft)
    if found is None or found.due:
        raise Refused(marked("this draft was sent or discarded meanwhile"), "conflict")


def _begin(tx: Transaction, account: int, draft: int, file: File, quota: Quota, longest: int) -> Attached:
    _open(tx, account, draft)
    return enclosures.begin(tx, account, draft, file, quota=quota, longest=longest)


def _add(tx: Transaction, account: int, draft: int, id_: int, start: int, data: bytes) -> None:
    _open(tx, account, draft)
    if not enclosures.add(tx, id_, start, data):
        raise Refused(marked("this part of the file was not expected"), "conflict")


def _drop(tx: Transaction, account: int, draft: int, id_: int) -> bool:
    _open(tx, account, draft)
    return enclosures.drop(tx, account, draft, id_)
