"""Puts new messages into mailboxes: by APPEND, by delivery, and when mail is redirected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mpcontinuity.mailbox import conversations, keywords
from mpcontinuity.mailbox.conversations import Newcomer
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.message.rendered import octets_added, references
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.model.flags import DELETED, SEEN
from mpcontinuity.model.texts import marked
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

UID_BITS = 32  # entry.id is mailbox << 32 | uid
MAX_UID = (1 << UID_BITS) - 1

_LOCK = Statement("SELECT id FROM mailbox WHERE id IN [:mailboxes] ORDER BY id [FOR UPDATE]")
_GROW = Rows(
    """WITH grown (mailbox, messages, unseen, octets, deleted) AS (VALUES [5])
    UPDATE mailbox SET uidnext = uidnext + grown.messages, modseq = modseq + 1,
        messages = mailbox.messages + grown.messages, unseen = mailbox.unseen + grown.unseen,
        octets = mailbox.octets + grown.octets, deleted = mailbox.deleted + grown.deleted
    FROM grown WHERE id = grown.mailbox"""
)
_GROWN = Statement("SELECT [id, uidnext, modseq, uidvalidity, account] FROM mailbox WHERE id IN [:mailboxes]")
_INSERT = Rows("INSERT INTO entry (id, body, flags, modseq, internaldate, size, rendered, pop3_added) VALUES [8]")


class NewEntry(msgspec.Struct, frozen=True):
    """A message that is to be put into a mailbox.

    ``body`` is the id of a row of `body`, ``internaldate`` is in µs, and ``rendered`` is what message/render.py made of
    the content.
    """

    body: int
    size: int
    internaldate: int
    flags: int
    keywords: tuple[str, ...]
    rendered: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of new messages: the UIDs that they got."""

    account: int
    uidvalidity: int
    first_uid: int
    last_uid: int
    modseq: int


def lock(tx: Transaction, mailboxes: Iterable[int]) -> None:
    """Locks the rows of mailboxes, in ascending order, so that what is read of them next holds until the commit."""
    tx.lock(_LOCK, mailboxes=list(mailboxes))


def grow(tx: Transaction, mailboxes: Mapping[int, Iterable[tuple[int, int]]]) -> dict[int, Appended]:
    """Takes UIDs for new messages, each given as size and flags, and counts them.

    The rows of the mailboxes stay locked.

    Raises MailboxRefused when a mailbox is gone (TRYCREATE) or has no UIDs left.
    """
    # In ascending order, as everywhere: two transactions cannot wait for each other.
    counts = [(mailbox, *_counts(messages)) for mailbox, messages in sorted(mailboxes.items())]
    if len(counts) > 1:
        lock(tx, mailboxes)
    if tx.run_rows(_GROW, counts) < len(counts):
        raise MailboxRefused("TRYCREATE", marked("no such mailbox"))
    rows = {mailbox: columns for mailbox, *columns in tx.all(_GROWN, mailboxes=mailboxes)}
    grown = {}
    for mailbox, messages, *_ in counts:
        uidnext, modseq, uidvalidity, account = rows[mailbox]
        if uidnext > MAX_UID:
            raise MailboxRefused("LIMIT", marked("the mailbox has no UIDs left"))
        grown[mailbox] = Appended(account, uidvalidity, uidnext - messages, uidnext - 1, modseq)
    return grown


def _counts(messages: Iterable[tuple[int, int]]) -> tuple[int, int, int, int]:
    """How many, unseen ones, octets, deleted ones."""
    count = unseen = octets = deleted = 0
    for size, flags in messages:
        count += 1
        octets += size
        unseen += not flags & SEEN
        deleted += bool(flags & DELETED)
    return count, unseen, octets, deleted


def append(tx: Transaction, mailbox: int, entries: Sequence[NewEntry]) -> Appended:
    """Puts at least one message into a mailbox, in order. Raises MailboxRefused.

    Their bodies are held already: inserted with ``keep_until`` 0, or by store/bodies/references.hold.
    """
    return append_all(tx, {mailbox: entries})[mailbox]


def append_all(tx: Transaction, entries: Mapping[int, Sequence[NewEntry]]) -> dict[int, Appended]:
    """Does `append` with several mailboxes."""
    grown = grow(tx, {mailbox: [(one.size, one.flags) for one in new] for mailbox, new in entries.items()})
    rows = []
    newcomers = []
    for mailbox, appended in grown.items():
        entry_id = mailbox << UID_BITS | appended.first_uid
        for one in entries[mailbox]:
            flags = one.flags | keywords.offer(tx, mailbox, one.keywords)
            shown = (one.rendered, octets_added(one.rendered))
            rows.append((entry_id, one.body, flags, appended.modseq, one.internaldate, one.size, *shown))
            newcomers.append(Newcomer(appended.account, entry_id, one.body, references(one.rendered)))
            entry_id += 1
        tx.announce(MailboxChanged(mailbox, appended.account, appended.modseq))
    tx.run_rows(_INSERT, rows)
    if newcomers:
        conversations.join(tx, newcomers)
    return grown
