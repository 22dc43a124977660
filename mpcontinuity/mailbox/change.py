"""Changes messages of a mailbox: flags, COPY, MOVE, EXPUNGE.

Each function runs in one transaction, for a set of messages.

UIDs are ranges, sorted and disjoint (model/uidset.py), and may name messages that are gone. Every function raises
MailboxRefused for a mailbox that is gone. A caller hands over at most STEP messages at a time (mailbox/portions.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox import keywords as keyword
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS, grow
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model import uidset
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.model.flags import DELETED, DOWNLOADED, FIRST_KEYWORD, SEEN
from mpcontinuity.model.texts import marked
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.bodies.references import release
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 1000  # messages per transaction (design 4)
_MOST_LISTED = 10_000  # numbers of a sparse set that are looked up one by one; above, the span is read
_EXPUNGED_KEPT = 10_000  # changes of a mailbox for which it is known what went; older clients compare all UIDs
_NO_KEYWORDS = (1 << FIRST_KEYWORD) - 1 | DOWNLOADED
_RANGES_KEPT = (
    50_000  # the same in rows, which are many where every other message went: deleted at once with the mailbox
)
_SCATTERED = 100  # ranges of one expunge, from which on rows are looked at
_TRIM_EVERY = 64  # changes between two times that what is older is dropped

_COLUMNS = "id & 4294967295, flags, modseq, size, body"
_ENTRIES = f"SELECT {_COLUMNS} FROM entry WHERE {{}} AND flags & :mask = :mask ORDER BY id"
_SPAN = Statement(_ENTRIES.format("id BETWEEN :first AND :last"))
_LISTED = Statement(_ENTRIES.format("id IN [:ids]"))
_OLDEST = Statement(f"SELECT {_COLUMNS} FROM entry WHERE id BETWEEN :first AND :last ORDER BY id LIMIT :step")
# An update that changes nothing takes the row's lock in PostgreSQL; SQLite has one writer anyway.
_LOCK = Statement(
    "UPDATE mailbox SET modseq = modseq WHERE id = :mailbox RETURNING uidvalidity, deleted, modseq, account"
)
_COUNT = Statement(
    "UPDATE mailbox SET modseq = :modseq, unseen = unseen + :unseen, deleted = deleted + :deleted WHERE id = :mailbox"
)
_SHRINK = Statement(
    "UPDATE mailbox SET modseq = modseq + 1, messages = messages - :count, unseen = unseen - :unseen, "
    "octets = octets - :octets, deleted = deleted - :deleted WHERE id = :mailbox "
    "RETURNING modseq, account, expunged_floor"
)
_SET = Statement("UPDATE entry SET flags = flags & :keep | :add, modseq = :modseq WHERE id IN [:ids]")
_COPY = (
    "INSERT INTO entry (id, body, flags, modseq, internaldate, size, rendered, pop3_added) "
    "SELECT :before + row_number() OVER (ORDER BY id), body, {}, :modseq, internaldate, size, rendered, pop3_added "
    "FROM entry WHERE id IN [:ids]"
)
_COPY_PLAIN = Statement(_COPY.format("flags"))
# Keywords have bits of their own in each mailbox.
_COPY_WITH_KEYWORDS = Statement(
    _COPY.format(
        "flags & :kept | COALESCE((SELECT CAST(SUM(CAST(1 AS BIGINT) << there.bit) AS BIGINT) FROM keyword AS here "
        "JOIN keyword AS there ON there.mailbox = :target AND lower(there.name) = lower(here.name) "
        "WHERE here.mailbox = :source AND (entry.flags >> here.bit) & 1 = 1), 0)"
    )
)
_DELETE = Statement("DELETE FROM entry WHERE id IN [:ids]")
_EXPUNGED = Statement("INSERT INTO expunged (mailbox, modseq, first, last) VALUES (:mailbox, :modseq, :first, :last)")
_TOO_MANY = Statement(
    "SELECT modseq FROM expunged WHERE mailbox = :mailbox ORDER BY modseq DESC, first DESC LIMIT 1 OFFSET :kept"
)
_TRIM = Statement("DELETE FROM expunged WHERE mailbox = :mailbox AND modseq <= :floor")
_SET_FLOOR = Statement("UPDATE mailbox SET expunged_floor = :floor WHERE id = :mailbox")

_Entry = tuple[int, int, int, int, int]  # uid, flags, modseq, size, body


@dataclass(frozen=True, slots=True)
class Changed:
    """What the messages are now, whether they changed or not, each as UID, flags and modseq.

    ``modseq`` is that of the change, 0 where nothing changed. ``modified`` are those that were left alone, since they
    had changed after ``unchanged_since`` (RFC 7162 §3.1.3). ``before`` has the modseqs that the messages had, by UID.
    """

    modseq: int
    messages: tuple[tuple[int, int, int], ...]
    modified: tuple[Range, ...]
    before: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, for COPYUID (RFC 9051 §7.1): the n-th of ``sources`` became the n-th of ``targets``.

    Both may be empty.
    """

    uidvalidity: int
    sources: tuple[Range, ...]
    targets: tuple[Range, ...]


def store_flags(
    tx: Transaction,
    mailbox: int,
    uids: Sequence[Range],
    how: Literal["add", "remove", "replace"],
    flags: int,
    keywords: tuple[str, ...],
    unchanged_since: int | None = None,
) -> Changed:
    """Changes flags. Raises MailboxRefused, and changes nothing, when the mailbox cannot hold another keyword."""
    row = tx.one(_LOCK, mailbox=mailbox)
    if row is None:
        raise MailboxRefused("NONEXISTENT", marked("no such mailbox"))
    _, _, modseq, account = row
    modseq += 1
    entries = _entries(tx, mailbox, uids)
    if not entries:
        return Changed(0, (), (), {})
    mask = flags | keyword.mask(tx, mailbox, keywords, add=how != "remove")
    keep = {"add": -1, "remove": ~mask, "replace": DOWNLOADED}[how]
    add = 0 if how == "remove" else mask
    messages: list[tuple[int, int, int]] = []
    before: dict[int, int] = {}
    modified, touched, unseen, deleted = [], [], 0, 0
    for uid, old, changed_at, _, _ in entries:
        if unchanged_since is not None and changed_at > unchanged_since:
            modified.append(uid)
            continue
        before[uid] = changed_at
        new = old & keep | add
        if new == old:
            messages.append((uid, old, changed_at))
            continue
        messages.append((uid, new, modseq))
        touched.append(uid)
        unseen += (old & SEEN) - (new & SEEN)
        deleted += (new & DELETED) // DELETED - (old & DELETED) // DELETED
    if not touched:
        # What raises the modseq is announced: sessions that miss one cannot know that they have seen every change.
        modseq = 0
    else:
        tx.run(_SET, ids=_ids(mailbox, touched), keep=keep, add=add, modseq=modseq)
        tx.run(_COUNT, mailbox=mailbox, modseq=modseq, unseen=unseen, deleted=deleted)
        tx.announce(MailboxChanged(mailbox, account, modseq, uidset.of(touched)))
    return Changed(modseq, tuple(messages), uidset.of(modified), before)


def copy(tx: Transaction, source: int, uids: Sequence[Range], target: int) -> Copied:
    """Copies messages. A copy shares the body, and keeps flags, internal date, and the keywords that fit."""
    return _copy(tx, source, uids, target)[0]


def move(tx: Transaction, source: int, uids: Sequence[Range], target: int) -> Copied:
    """Moves messages (RFC 6851): at no moment is one in both mailboxes, or in none."""
    copied, entries = _copy(tx, source, uids, target)
    if entries:
        _remove(tx, source, entries)
    return copied


def move_oldest(tx: Transaction, source: int, target: int, step: int) -> tuple[int, int] | None:
    """Moves up to ``step`` messages, those with the lowest UIDs. Returns the first and the last id of their entries in
    ``target``, between which there are no others; None where there were none to move."""
    rows = tx.all(_OLDEST, first=source << UID_BITS, last=source << UID_BITS | MAX_UID, step=step)
    if not rows:
        return None
    copied = move(tx, source, uidset.of(_uids(rows)), target)
    (first, last), *_ = copied.targets
    return target << UID_BITS | first, target << UID_BITS | last


def expunge(tx: Transaction, mailbox: int, uids: Sequence[Range] | None = None) -> tuple[Range, ...]:
    r"""Removes the messages flagged ``\Deleted``, of ``uids`` or of all, and returns the UIDs of those that went."""
    row = tx.one(_LOCK, mailbox=mailbox)
    if row is None:
        raise MailboxRefused("NONEXISTENT", marked("no such mailbox"))
    _, deleted, _, _ = row
    if not deleted:
        return ()
    return remove(tx, mailbox, ((1, MAX_UID),) if uids is None else uids, DELETED)


def remove(tx: Transaction, mailbox: int, uids: Sequence[Range], mask: int = 0) -> tuple[Range, ...]:
    """Removes messages that have all flags of ``mask``, and returns the UIDs of those that went."""
    entries = _entries(tx, mailbox, uids, mask)
    if entries:
        _remove(tx, mailbox, entries)
        release(tx, {body for _, _, _, _, body in entries})
    return uidset.of(_uids(entries))


def empty(tx: Transaction, mailbox: int) -> bool:
    """Removes the oldest STEP messages, and returns whether there were any."""
    entries: list[_Entry] = tx.all(_OLDEST, first=mailbox << UID_BITS, last=mailbox << UID_BITS | MAX_UID, step=STEP)
    if entries:
        _remove(tx, mailbox, entries)
        release(tx, {body for _, _, _, _, body in entries})
    return bool(entries)


def _copy(tx: Transaction, source: int, uids: Sequence[Range], target: int) -> tuple[Copied, list[_Entry]]:
    locked = {mailbox: tx.one(_LOCK, mailbox=mailbox) for mailbox in sorted({source, target})}
    there = locked[target]
    if there is None:
        raise MailboxRefused("TRYCREATE", marked("no such mailbox"))
    entries = _entries(tx, source, uids)
    if not entries:
        return Copied(there[0], (), ()), entries
    used = 0
    for _, flags, _, _, _ in entries:
        used |= flags & ~DOWNLOADED
    appended = grow(tx, {target: [(size, flags) for _, flags, _, size, _ in entries]})[target]
    ids = _ids(source, _uids(entries))
    before = (target << UID_BITS | appended.first_uid) - 1
    if used >> FIRST_KEYWORD and source != target:
        names = keyword.of(tx, source)
        keyword.offer(tx, target, [name for bit, name in names.items() if used >> bit & 1])
        tx.run(
            _COPY_WITH_KEYWORDS,
            ids=ids,
            before=before,
            modseq=appended.modseq,
            source=source,
            target=target,
            kept=_NO_KEYWORDS,
        )
    else:
        tx.run(_COPY_PLAIN, ids=ids, before=before, modseq=appended.modseq)
    conversations.copy(tx, ids, before)
    tx.announce(MailboxChanged(target, appended.account, appended.modseq))
    sources = uidset.of(_uids(entries))
    return Copied(appended.uidvalidity, sources, ((appended.first_uid, appended.last_uid),)), entries


def _remove(tx: Transaction, mailbox: int, entries: Sequence[_Entry]) -> None:
    row = tx.one(
        _SHRINK,
        mailbox=mailbox,
        count=len(entries),
        unseen=sum(not flags & SEEN for _, flags, _, _, _ in entries),
        octets=sum(size for _, _, _, size, _ in entries),
        deleted=sum(bool(flags & DELETED) for _, flags, _, _, _ in entries),
    )
    if row is None:
        raise MailboxRefused("NONEXISTENT", marked("no such mailbox"))
    modseq, account, floor = row
    uids = _uids(entries)
    ids = _ids(mailbox, uids)
    tx.run(_DELETE, ids=ids)
    conversations.leave(tx, ids)
    ranges = uidset.of(uids)
    tx.many(
        _EXPUNGED,
        [{"mailbox": mailbox, "modseq": modseq, "first": first, "last": last} for first, last in ranges],
    )
    _forget(tx, mailbox, modseq, floor, scattered=len(ranges) >= _SCATTERED)
    tx.announce(MailboxChanged(mailbox, account, modseq))


def _forget(tx: Transaction, mailbox: int, modseq: int, floor: int, *, scattered: bool) -> None:
    """What was expunged long ago, or is more than is kept."""
    least = floor
    if modseq - floor >= _EXPUNGED_KEPT + _TRIM_EVERY:  # not every so-many-th modseq, which may never be an expunge
        least = modseq - _EXPUNGED_KEPT
    if scattered and (found := tx.one(_TOO_MANY, mailbox=mailbox, kept=_RANGES_KEPT)) is not None:
        least = max(least, found[0])
    if least > floor:
        tx.run(_TRIM, mailbox=mailbox, floor=least)
        tx.run(_SET_FLOOR, mailbox=mailbox, floor=least)


def _entries(tx: Transaction, mailbox: int, uids: Sequence[Range], mask: int = 0) -> list[_Entry]:
    """Those that are there, by rising UID."""
    if not uids:
        return []
    base = mailbox << UID_BITS
    rows: list[_Entry]
    if len(uids) > 1 and sum(last - first + 1 for first, last in uids) <= _MOST_LISTED:
        rows = tx.all(_LISTED, ids=_ids(mailbox, uidset.numbers(uids)), mask=mask)
        return rows
    rows = tx.all(_SPAN, first=base | uids[0][0], last=base | uids[-1][1], mask=mask)
    if len(uids) == 1:
        return rows
    ranges = iter(uids)
    first, last = next(ranges)
    chosen = []
    for entry in rows:
        uid, *_ = entry
        while uid > last:
            first, last = next(ranges)
        if uid >= first:
            chosen.append(entry)
    return chosen


def _uids(entries: Sequence[_Entry]) -> list[int]:
    return [uid for uid, _, _, _, _ in entries]


def _ids(mailbox: int, uids: Iterable[int]) -> list[int]:
    base = mailbox << UID_BITS
    return [base | uid for uid in uids]
