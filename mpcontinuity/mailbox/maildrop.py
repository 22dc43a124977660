"""INBOX as POP3 sees it: what was not downloaded yet, by rising UID.

The numbers of messages are for each session to give (RFC 1939 §5).
"""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import DOWNLOADED, SEEN
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 5000  # messages per read: two numbers each

_LISTING = Statement(
    "SELECT id & 4294967295, size + pop3_added FROM entry "
    "WHERE id > :after AND id <= :last AND flags & :downloaded = 0 ORDER BY id LIMIT :step"
)
_DOWNLOADED = Statement("UPDATE entry SET flags = flags | :downloaded WHERE id IN [:ids]")


def listing(tx: Transaction, mailbox: int, after: int = 0) -> list[tuple[int, int]]:
    """Returns the next STEP messages above the UID ``after``, each as UID and the octets that are sent of it (RFC 1939
    §11)."""
    base = mailbox << UID_BITS
    return tx.all(_LISTING, after=base | after, last=base | MAX_UID, downloaded=DOWNLOADED, step=STEP)


def keep(tx: Transaction, mailbox: int, uids: Sequence[Range]) -> None:
    """Notes that the client has downloaded messages: they are gone from the maildrop, and seen in IMAP.

    It takes a portion of them (mailbox/portions.py).
    """
    change.store_flags(tx, mailbox, uids, "add", SEEN, ())
    base = mailbox << UID_BITS
    tx.run(_DOWNLOADED, ids=[base | uid for uid in uidset.numbers(uids)], downloaded=DOWNLOADED)


def delete(tx: Transaction, mailbox: int, uids: Sequence[Range]) -> None:
    """Deletes messages for the user (`pop3-delete = delete`): they are gone from IMAP, and not owed.

    It takes a portion of them (mailbox/portions.py).
    """
    change.remove(tx, mailbox, uids)
