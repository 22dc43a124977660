"""New messages in a mailbox: APPEND, delivery, redirect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpcontinuity.mailbox import keywords
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.model.flags import DELETED, SEEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

UID_BITS = 32  # entry.id is mailbox << 32 | uid
MAX_UID = (1 << UID_BITS) - 1

_GROW = Statement(
    "UPDATE mailbox SET uidnext = uidnext + :count, modseq = modseq + 1, messages = messages + :count, "
    "unseen = unseen + :unseen, octets = octets + :octets, deleted = deleted + :deleted "
    "WHERE id = :mailbox RETURNING uidnext, modseq, uidvalidity, account"
)
_INSERT = Statement(
    "INSERT INTO entry (id, body, flags, modseq, internaldate, size, rendered) "
    "VALUES (:id, :body, :flags, :modseq, :internaldate, :size, :rendered)"
)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """``body`` is a row's id, ``internaldate`` µs, ``rendered`` what message/render.py made of the content."""

    body: int
    size: int
    internaldate: int
    flags: int
    keywords: tuple[str, ...]
    rendered: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    uidvalidity: int
    first_uid: int
    last_uid: int
    modseq: int


def grow(tx: Transaction, mailbox: int, sizes: Sequence[int], flags: Sequence[int]) -> tuple[Appended, int]:
    """Takes UIDs and counts the messages that will have them; the row stays locked. Also the mailbox's account.

    Raises MailboxRefused when the mailbox is gone (TRYCREATE) or has no UIDs left.
    """
    row = tx.one(
        _GROW,
        mailbox=mailbox,
        count=len(sizes),
        unseen=sum(not mask & SEEN for mask in flags),
        octets=sum(sizes),
        deleted=sum(bool(mask & DELETED) for mask in flags),
    )
    if row is None:
        raise MailboxRefused("TRYCREATE", "no such mailbox")
    uidnext, modseq, uidvalidity, account = row
    if uidnext > MAX_UID:
        raise MailboxRefused("LIMIT", "the mailbox has no UIDs left")
    return Appended(uidvalidity, uidnext - len(sizes), uidnext - 1, modseq), account


def append(tx: Transaction, mailbox: int, entries: Sequence[NewEntry]) -> Appended:
    """At least one message, in order. Raises MailboxRefused.

    Their bodies are held already: inserted with ``keep_until`` 0, or by store/bodies/references.hold.
    """
    appended, account = grow(tx, mailbox, [entry.size for entry in entries], [entry.flags for entry in entries])
    base = mailbox << UID_BITS
    tx.many(
        _INSERT,
        [
            {
                "id": base | uid,
                "body": entry.body,
                "flags": entry.flags | keywords.mask(tx, mailbox, entry.keywords),
                "modseq": appended.modseq,
                "internaldate": entry.internaldate,
                "size": entry.size,
                "rendered": entry.rendered,
            }
            for uid, entry in enumerate(entries, appended.first_uid)
        ],
    )
    tx.announce(MailboxChanged(mailbox, account, appended.modseq))
    return appended
