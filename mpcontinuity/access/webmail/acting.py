"""What is done with messages: flags, moving, deleting. In short transactions, as by IMAP, and so that it can be undone.

Nothing here asks whose a folder is: whoever calls has found that out (`Visit.folder`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import msgspec

from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.archived import refuse_change
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.portions import portions
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import FLAGGED, SEEN
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.store import Store

LONGEST_UNDO: Final = 3_000  # characters of what the next page is given to undo: some 400 messages that lie apart

Counted = Callable[[int], None]

# The flags that a user sets and takes away by a button.
FLAGS: Final[dict[str, tuple[Literal["add", "remove"], int]]] = {
    "read": ("add", SEEN),
    "unread": ("remove", SEEN),
    "flag": ("add", FLAGGED),
    "unflag": ("remove", FLAGGED),
}
_INVERSE: Final[dict[str, Literal["add", "remove"]]] = {"add": "remove", "remove": "add"}


class Undo(msgspec.Struct, frozen=True):
    """What takes something back: messages with these ``uids`` (as IMAP writes a set) of the folder ``there`` are moved
    to the folder ``back``, or get or lose ``flags``, as ``how`` says."""

    how: Literal["move", "add", "remove"]
    there: int
    uids: str
    back: int = 0
    flags: int = 0

    def ranges(self) -> tuple[Range, ...]:
        """Returns the UIDs. Raises ValueError where they are none."""
        return uidset.resolve(uidset.parse(self.uids.encode("ascii", "replace")), 0)


def encoded(undos: Sequence[Undo]) -> str:
    """Returns what takes something back, of each folder, as a text of one line; empty for nothing, and where it would
    be too long."""
    text = msgspec.json.encode(undos).decode() if undos else ""
    return text if len(text) <= LONGEST_UNDO else ""


def undos_of(text: str) -> list[Undo]:
    """Returns what `encoded` was given. Raises ValueError for any other text, also for one longer than it gives."""
    if len(text) > LONGEST_UNDO:
        raise ValueError("longer than what there is to undo")
    return msgspec.json.decode(text, type=list[Undo])


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: with how many messages, how many of those meant were gone already, and what takes it back, None
    where nothing does."""

    count: int
    gone: int
    undo: Undo | None


async def set_flags(
    store: Store,
    folder: MailboxInfo,
    uids: Sequence[int],
    how: Literal["add", "remove"],
    flags: int,
    counted: Counted = lambda _: None,
) -> Done:
    """Sets or takes away flags of messages, whose UIDs rise. Raises MailboxRefused and Temporary."""
    refuse_change(folder)
    there, touched = 0, list[Range]()
    async for portion in portions(store, folder.id, uids):
        work = partial(change.store_flags, mailbox=folder.id, how=how, flags=flags, keywords=())
        done = await store.run(partial(work, uids=portion.uids), bulk=len(uids) > change.STEP)
        there += len(done.messages)
        if len(touched) <= LONGEST_UNDO:  # beyond, there is no undo
            touched += uidset.of(uid for uid, _, modseq in done.messages if modseq == done.modseq)
        counted(_count(portion.uids))
    undo = Undo(_INVERSE[how], folder.id, _shown(uidset.merge(touched)), flags=flags) if touched else None
    return Done(there, len(uids) - there, undo)


async def move(
    store: Store, folder: MailboxInfo, uids: Sequence[int], to: MailboxInfo, counted: Counted = lambda _: None
) -> Done:
    """Moves messages, whose UIDs rise, to another folder. Each is in one of the two at every moment.

    Raises MailboxRefused and Temporary; what was moved before stays moved.
    """
    refuse_change(folder)
    refuse_change(to)
    if folder.id == to.id:
        return Done(0, 0, None)
    targets = list[Range]()
    async for portion in portions(store, folder.id, uids):
        work = partial(change.move, source=folder.id, uids=portion.uids, target=to.id)
        targets += (await store.run(work, bulk=len(uids) > change.STEP)).targets
        counted(_count(portion.uids))
    moved = _count(targets)
    undo = Undo("move", to.id, _shown(uidset.resolve(targets, 0)), back=folder.id) if targets else None
    return Done(moved, len(uids) - moved, undo)


async def remove(store: Store, folder: MailboxInfo, uids: Sequence[int], counted: Counted = lambda _: None) -> Done:
    """Deletes messages, whose UIDs rise, for good. Raises MailboxRefused and Temporary."""
    refuse_change(folder)
    removed = 0
    async for portion in portions(store, folder.id, uids):
        work = partial(change.remove, mailbox=folder.id, uids=portion.uids)
        removed += _count(await store.run(work, bulk=len(uids) > change.STEP))
        counted(_count(portion.uids))
    return Done(removed, len(uids) - removed, None)


def _count(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _shown(ranges: Sequence[Range]) -> str:
    return uidset.show(ranges).decode("ascii")
