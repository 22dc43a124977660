"""Mailboxes against their entries: counters, UIDs, modseqs; entries whose mailbox is gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from mpcontinuity.check.contents import recipients_of, rendered
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS, NewEntry, append
from mpcontinuity.mailbox.names import ARCHIVED_USE, INBOX
from mpcontinuity.mailbox.repair import remove_entry, set_counters
from mpcontinuity.model.flags import DELETED, SEEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

RECOVERED = "Recovered"

_STEP = 1000
_TRIES = 3  # of a mailbox that changes while its entries are counted
_SMALL = 20_000  # messages that one snapshot may count

_NEXT = Statement(
    "SELECT id, account, name, uidnext, modseq, messages, unseen, octets, deleted FROM mailbox "
    "WHERE id > :after ORDER BY id LIMIT :step"
)
_ONE = Statement(
    "SELECT id, account, name, uidnext, modseq, messages, unseen, octets, deleted FROM mailbox WHERE id = :id"
)
_ENTRIES = Statement(
    "SELECT id & 4294967295, flags, size, modseq FROM entry WHERE id > :after AND id <= :last ORDER BY id LIMIT :step"
)
_EXPUNGED = Statement("SELECT MAX(modseq), MAX(last) FROM expunged WHERE mailbox = :mailbox")
_ADDRESS = Statement("SELECT address FROM account WHERE id = :id")
# Owed, for a user who has it nowhere: deleted by them, or lost with the entries that the counters miss.
_UNLISTED = Statement(
    "SELECT DISTINCT owed.body, body.length, owed.received FROM owed JOIN body ON body.id = owed.body "
    "WHERE owed.account = :account AND owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt') "
    "AND NOT EXISTS (SELECT 1 FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32 "
    f"WHERE entry.body = owed.body AND mailbox.account = :account AND mailbox.use <> '{ARCHIVED_USE}') "
    "ORDER BY owed.body LIMIT 1000"
)
_COUNT_LOOSE = Statement("SELECT COUNT(*) FROM entry WHERE id BETWEEN :first AND :last")
_LOOSE = Statement(
    "SELECT entry.id, body, flags, internaldate, size, rendered FROM entry "
    "WHERE entry.id BETWEEN :first AND :last ORDER BY entry.id LIMIT 500"
)
_OWNERS = Statement(
    "SELECT body, account FROM owed WHERE body IN [:bodies] AND account IS NOT NULL UNION "
    "SELECT entry.body, mailbox.account FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32 "
    "WHERE entry.body IN [:bodies]"
)
_KNOWN_ACCOUNT = Statement("SELECT account FROM address WHERE key = :key")


@dataclass(slots=True)
class _Mailbox:
    id: int
    account: int
    name: str
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    octets: int
    deleted: int

    @property
    def counters(self) -> tuple[int, int, int, int]:
        return self.messages, self.unseen, self.octets, self.deleted


@dataclass(slots=True)
class _Counted:
    """What the entries say."""

    messages: int = 0
    unseen: int = 0
    octets: int = 0
    deleted: int = 0
    highest_uid: int = 0
    highest_modseq: int = 0

    @property
    def counters(self) -> tuple[int, int, int, int]:
        return self.messages, self.unseen, self.octets, self.deleted


class _Loose(NamedTuple):
    """An entry whose mailbox is gone."""

    id: int
    body: int
    flags: int
    internaldate: int
    size: int
    rendered: bytes


async def examine_mailboxes(inspection: Inspection) -> None:
    """Compares each mailbox's counters, next UID and modseq with its entries.

    One whose INBOX has lost entries gets again what is owed and in no mailbox, or it would be taken for deleted.
    """
    after = 0
    while step := await inspection.store.read(partial(_next, after)):
        after = step[-1].id
        for mailbox in step:
            inspection.totals.mailboxes += 1
            await _examine(inspection, mailbox)


def _next(after: int, tx: Transaction) -> list[_Mailbox]:
    return tx.records(_Mailbox, _NEXT, after=after, step=200)


def _one(mailbox: int, tx: Transaction) -> _Mailbox | None:
    return tx.record(_Mailbox, _ONE, id=mailbox)


async def _examine(inspection: Inspection, mailbox: _Mailbox) -> None:
    present: _Mailbox | None = mailbox
    for _ in range(_TRIES):
        assert present is not None
        counted = await _count(inspection, present.id)
        again = await inspection.store.read(partial(_one, mailbox.id))
        if again is None:  # deleted meanwhile
            return
        if again.modseq == present.modseq:
            await _compare(inspection, present, counted)
            return
        present = again
    assert present is not None
    if present.messages > _SMALL:
        inspection.note(f"mailbox {mailbox.id} changes all the time: its counters were not checked")
        return
    found = await inspection.store.read(partial(_at_once, mailbox.id))
    if found is not None:
        await _compare(inspection, *found)


async def _count(inspection: Inspection, mailbox: int) -> _Counted:
    counted = _Counted()
    after = 0
    while step := await inspection.store.read(partial(_entries, mailbox, after)):
        after = step[-1][0]
        _add(counted, step)
    await inspection.store.read(partial(_add_expunged, counted, mailbox))
    return counted


def _at_once(mailbox: int, tx: Transaction) -> tuple[_Mailbox, _Counted] | None:
    present = _one(mailbox, tx)
    if present is None:
        return None
    counted = _Counted()
    after = 0
    while step := _entries(mailbox, after, tx):
        after = step[-1][0]
        _add(counted, step)
    _add_expunged(counted, mailbox, tx)
    return present, counted


def _entries(mailbox: int, after: int, tx: Transaction) -> list[tuple[int, int, int, int]]:
    base = mailbox << UID_BITS
    rows: list[tuple[int, int, int, int]] = tx.all(_ENTRIES, after=base | after, last=base | MAX_UID, step=_STEP)
    return rows


def _add(counted: _Counted, entries: Sequence[tuple[int, int, int, int]]) -> None:
    for uid, flags, size, modseq in entries:
        counted.messages += 1
        counted.unseen += not flags & SEEN
        counted.octets += size
        counted.deleted += bool(flags & DELETED)
        counted.highest_uid = max(counted.highest_uid, uid)
        counted.highest_modseq = max(counted.highest_modseq, modseq)


def _add_expunged(counted: _Counted, mailbox: int, tx: Transaction) -> None:
    modseq, uid = tx.one(_EXPUNGED, mailbox=mailbox) or (None, None)
    counted.highest_modseq = max(counted.highest_modseq, modseq or 0)
    counted.highest_uid = max(counted.highest_uid, uid or 0)


async def _compare(inspection: Inspection, mailbox: _Mailbox, counted: _Counted) -> None:
    wrong = []
    for name, has, should in zip(
        ("messages", "unseen", "octets", "deleted"), mailbox.counters, counted.counters, strict=True
    ):
        if has != should:
            wrong.append(f"{name} says {has}, its entries {should}")
    if mailbox.uidnext <= counted.highest_uid:
        wrong.append(f"the next UID is {mailbox.uidnext}, but {counted.highest_uid} was given")
    if mailbox.modseq < counted.highest_modseq:
        wrong.append(f"modseq is {mailbox.modseq}, but {counted.highest_modseq} was given")
    if not wrong:
        return
    owner = await inspection.store.read(lambda tx: tx.value(_ADDRESS, id=mailbox.account))
    what = f"{mailbox.name} of {owner or 'nobody'}: {'; '.join(wrong)}"
    missing = mailbox.messages - counted.messages if mailbox.name == INBOX else 0
    await inspection.found("mailbox", what, "counts anew", partial(_set, inspection, mailbox, counted))
    if missing > 0:
        await _list_again(inspection, mailbox, f"{INBOX} of {owner or 'nobody'}")


async def _set(inspection: Inspection, mailbox: _Mailbox, counted: _Counted) -> str:
    def work(tx: Transaction) -> None:
        set_counters(
            tx,
            mailbox.id,
            mailbox.account,
            uidnext=max(mailbox.uidnext, counted.highest_uid + 1),
            modseq=max(mailbox.modseq, counted.highest_modseq) + 1,
            messages=counted.messages,
            unseen=counted.unseen,
            octets=counted.octets,
            deleted=counted.deleted,
        )

    await inspection.store.run(work)
    return "counted anew"


async def _list_again(inspection: Inspection, mailbox: _Mailbox, name: str) -> None:
    """Entries were lost. What home is owed and the user has nowhere would be taken for deleted at the next attempt."""
    unlisted = await inspection.store.read(lambda tx: tx.all(_UNLISTED, account=mailbox.account))
    if unlisted:
        what = f"{name} has lost entries, and {len(unlisted)} messages that are owed are in no mailbox of the user"
        remedy = "lists them in INBOX again (also such as the user has deleted)"
        await inspection.found("mailbox", what, remedy, partial(_relist, inspection, mailbox.id, unlisted))


async def _relist(inspection: Inspection, mailbox: int, unlisted: Sequence[tuple[int, int, int]]) -> str:
    for body, length, received in unlisted:
        blob = await rendered(inspection.store, body)
        entry = NewEntry(body, length, received, 0, (), blob)
        await inspection.store.run(partial(append, mailbox=mailbox, entries=[entry]))
    return f"listed {len(unlisted)} again"


async def mend_loose_entries(inspection: Inspection, gone: Sequence[int]) -> None:
    """Moves entries of the mailboxes ``gone``, which are not there, to the folder Recovered of whoever the message is
    known to be of.
    """
    for mailbox in gone:
        count = await inspection.store.read(partial(_count_loose, mailbox))
        what = f"mailbox {mailbox} is gone, but {count} entries are in it"
        remedy = f"moves them to the folder {RECOVERED} of their users, where these are known"
        await inspection.found("mailbox", what, remedy, partial(_move_loose, inspection, mailbox))


def _count_loose(mailbox: int, tx: Transaction) -> int:
    return int(tx.value(_COUNT_LOOSE, first=mailbox << UID_BITS, last=mailbox << UID_BITS | MAX_UID))


def _loose(first: int, last: int, tx: Transaction) -> list[_Loose]:
    return tx.records(_Loose, _LOOSE, first=first, last=last)


async def _move_loose(inspection: Inspection, mailbox: int) -> str:
    first, last, moved = mailbox << UID_BITS, mailbox << UID_BITS | MAX_UID, 0
    while rows := await inspection.store.read(partial(_loose, first, last)):
        first = rows[-1].id + 1
        keys = await recipients_of(inspection.store, [row.body for row in rows])
        moved += await inspection.store.run(partial(_to_owners, rows=rows, keys=keys))
    return f"moved {moved}" if moved else ""


def _to_owners(tx: Transaction, rows: Sequence[_Loose], keys: dict[int, set[str]]) -> int:
    owners: dict[int, set[int]] = defaultdict(set)
    for body, account in tx.all(_OWNERS, bodies=[row.body for row in rows]):
        owners[body].add(account)
    moved = 0
    for entry, body, flags, internaldate, size, blob in rows:
        named = {tx.value(_KNOWN_ACCOUNT, key=key) for key in keys.get(body, ())} - {None}
        accounts = named or owners[body]
        for account in accounts:
            target = folder(tx, account, RECOVERED)
            append(tx, target, [NewEntry(body, size, internaldate, flags & 255, (), blob)])
        if accounts:
            remove_entry(tx, entry)
            moved += 1
    return moved


def folder(tx: Transaction, account: int, name: str) -> int:
    """Returns the id of the user's mailbox of that name, which is made and subscribed where it is missing. Raises
    MailboxRefused.
    """
    info = mailboxes.find(tx, account, name)
    if info is None:
        info = mailboxes.create(tx, account, name)
        mailboxes.subscribe(tx, account, name)
    return info.id
