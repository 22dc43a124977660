"""Messages that home has got after all: they carry a keyword, and leave the mailbox some days later (`kept-days`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.names import ARCHIVED_USE, MailboxRefused
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import FLAGGED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

KEYWORD = "$Redelivered"

# What a client fetched and appended again is the same message (queue/lineage.py). From the user's mailboxes, since a
# message to all of an office is in thousands of others.
_SAME = """entry.body IN (SELECT :body UNION ALL SELECT id FROM body WHERE origin = :body AND origin > 0)
    AND entry.id BETWEEN mailbox.id << 32 AND (mailbox.id << 32) + 4294967295"""
_ENTRIES = Statement(
    f"""SELECT entry.id FROM mailbox JOIN entry ON {_SAME}
    WHERE mailbox.account = :account AND mailbox.use <> '{ARCHIVED_USE}' ORDER BY entry.id"""
)
# Where the server puts mail, and where users put what they want to be rid of.
_LEAVING = Statement(
    rf"""SELECT entry.id FROM mailbox JOIN keyword ON keyword.mailbox = mailbox.id AND lower(keyword.name) = :keyword
        JOIN entry ON {_SAME}
    WHERE mailbox.account = :account AND entry.flags & :flagged = 0
        AND (entry.flags >> keyword.bit) & 1 = 1
        AND (mailbox.name = 'INBOX' OR mailbox.use IN ('\Junk', '\Trash'))
    ORDER BY entry.id"""
)


def mark(tx: Transaction, account: int, body: int) -> None:
    """Gives KEYWORD to all that the user has of a message, wherever they have moved it.

    A mailbox that has no room for another keyword is left as it is; what is in it stays there.
    """
    for mailbox, uids in _by_mailbox(tx.all(_ENTRIES, account=account, body=body)).items():
        try:
            change.store_flags(tx, mailbox, uidset.of(sorted(uids)), "add", 0, (KEYWORD,))
        except MailboxRefused:  # or gone meanwhile; home has the message all the same
            continue


def leave(tx: Transaction, messages: Collection[tuple[int, int]]) -> int:
    r"""Removes messages, each given as account and body, from INBOX, Junk and Trash. Returns how many entries went.

    What the user has flagged (``\Flagged``), filed in a folder of their own, or taken KEYWORD from, stays.
    """
    leaving: defaultdict[int, set[int]] = defaultdict(set)
    for account, body in messages:
        rows = tx.all(_LEAVING, account=account, body=body, flagged=FLAGGED, keyword=KEYWORD.lower())
        for mailbox, uids in _by_mailbox(rows).items():
            leaving[mailbox] |= uids
    for mailbox in sorted(leaving):
        change.remove(tx, mailbox, uidset.of(sorted(leaving[mailbox])))
    return sum(map(len, leaving.values()))


def _by_mailbox(rows: Collection[tuple[int]]) -> dict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    for (entry,) in rows:
        found[entry >> UID_BITS].add(entry & (1 << UID_BITS) - 1)
    return found
