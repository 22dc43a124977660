r"""The folder `Email Archive`: a user's own mail of the archive, which clients can read and not change.

It is a mailbox with entries, and an exception in this: the archive decides what is in it (archive/folder.py). What it
lists keeps no message from being dropped, is in no quota, and is nothing that the user has, has seen or has deleted. It
has no special use that clients know: with \Archive or \All they would move mail into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS, NewEntry, append, lock
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import ARCHIVED_USE, EMAIL_ARCHIVE, MailboxRefused
from mpcontinuity.model import uidset
from mpcontinuity.model.texts import said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP: Final = 500  # entries of one transaction that are let go

_LAST = Statement(
    "SELECT internaldate FROM entry WHERE id BETWEEN :first AND :last AND internaldate <= :now ORDER BY id DESC LIMIT 1"
)
_THERE = Statement("SELECT body FROM entry WHERE body IN [:bodies] AND id BETWEEN :first AND :last")
_STORED = Statement("SELECT id FROM body WHERE id IN [:bodies]")
_OLDEST = Statement("SELECT id & 4294967295 FROM entry WHERE id BETWEEN :first AND :last ORDER BY id LIMIT :count")
_LISTING = Statement(
    f"""SELECT entry.id FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32
    WHERE entry.body IN [:bodies] AND mailbox.use = '{ARCHIVED_USE}' ORDER BY entry.id"""
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the folder goes: how many messages are in it, and when the last of them came, in µs; 0 for none.

    What came while a clock was ahead does not count as the last, or all that comes until then would be left out.
    """

    messages: int
    last: int


def find(tx: Transaction, account: int) -> MailboxInfo | None:
    """Returns the folder of an account, or None where it was not made yet."""
    return mailboxes.by_use(tx, account, ARCHIVED_USE)


def make(tx: Transaction, account: int) -> MailboxInfo | None:
    """Makes the folder and subscribes to it, unless it is there. Returns None where the name is taken otherwise."""
    found = find(tx, account)
    if found is not None:
        return found
    try:
        return mailboxes.create_archived(tx, account)
    except MailboxRefused:
        return None


def extent(tx: Transaction, folder: MailboxInfo) -> Extent:
    """Returns how far the folder goes."""
    last = tx.value(_LAST, now=tx.now, **_span(folder.id))
    now = mailboxes.by_id(tx, folder.id)
    return Extent(now.messages if now is not None else 0, int(last or 0))


def missing(tx: Transaction, folder: int, bodies: Sequence[int]) -> list[int]:
    """Returns those of the messages that the folder does not list, in their order."""
    there = {row[0] for row in tx.all(_THERE, bodies=bodies, **_span(folder))}
    return [body for body in bodies if body not in there]


def add(tx: Transaction, folder: int, entries: Sequence[NewEntry]) -> int:
    """Lists messages at the end of the folder, in order, but for those that it lists already or that are gone.

    Returns how many are new. Raises MailboxRefused where the folder is gone.
    """
    lock(tx, [folder])  # another process may be at it
    new = missing(tx, folder, [entry.body for entry in entries])
    wanted = {row[0] for row in tx.all(_STORED, bodies=new)}
    if wanted:
        append(tx, folder, [entry for entry in entries if entry.body in wanted])
    return len(wanted)


def trim(tx: Transaction, folder: int, most: int) -> int:
    """Takes the oldest entries out of the folder, as far as it has more than ``most``. Returns how many: call it again
    while that is STEP."""
    info = mailboxes.by_id(tx, folder)
    count = min(info.messages - most, STEP) if info is not None else 0
    if count <= 0:
        return 0
    uids = [row[0] for row in tx.all(_OLDEST, count=count, **_span(folder))]
    change.remove(tx, folder, uidset.of(uids))
    return len(uids)


def let_go(tx: Transaction, bodies: Collection[int]) -> None:
    """Takes messages out of all folders, because the archive drops them."""
    by_folder: defaultdict[int, list[int]] = defaultdict(list)
    for (entry,) in tx.all(_LISTING, bodies=bodies):
        by_folder[entry >> UID_BITS].append(entry & MAX_UID)
    for folder, uids in sorted(by_folder.items()):
        change.remove(tx, folder, uidset.of(uids))


def is_folder(info: MailboxInfo) -> bool:
    """Returns whether a mailbox is such a folder."""
    return info.use == ARCHIVED_USE


def refuse_change(info: MailboxInfo | None) -> None:
    """Raises MailboxRefused where the mailbox is such a folder."""
    if info is not None and is_folder(info):
        raise MailboxRefused(
            "NOPERM", said("%(name)s shows what is archived, and cannot be changed", name=EMAIL_ARCHIVE)
        )


def _span(folder: int) -> dict[str, int]:
    return {"first": folder << UID_BITS, "last": folder << UID_BITS | MAX_UID}
