r"""The flag ``\Recent`` (RFC 3501 §2.3.2), by a watermark per mailbox: the last UID that a session was told of as
recent.

SELECT raises it. What comes while a mailbox is selected is recent for the first session of this process that is told of
it; the watermark follows when that session leaves, so that no message costs a transaction. Another process may take it
for recent as well meanwhile, as §2.3.2 permits where one cannot know.
"""

from __future__ import annotations

from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# STATUS counts so many recent messages one by one; above, they are as many as there have been since.
_COUNTED = 1000

_MARK = Statement("SELECT recent, uidnext FROM mailbox WHERE id = :mailbox [FOR UPDATE]")
_RAISE = Statement("UPDATE mailbox SET recent = :uid WHERE id = :mailbox AND recent < :uid")
_COUNT = Statement(
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM entry WHERE id > :after AND id <= :last LIMIT :most) AS found"
)


def take(tx: Transaction, mailbox: int) -> int:
    """Returns the watermark, and raises it to the last message."""
    row = tx.one(_MARK, mailbox=mailbox)
    if row is None:
        return 0
    mark, uidnext = row
    if mark < uidnext - 1:
        raise_to(tx, mailbox, uidnext - 1)
    return int(mark)


def raise_to(tx: Transaction, mailbox: int, uid: int) -> None:
    """Raises the watermark to a UID."""
    tx.run(_RAISE, mailbox=mailbox, uid=uid)


def count(tx: Transaction, mailbox: int, above: int, most: int) -> int:
    """Returns how many messages have a UID above ``above``; ``most`` is what there can be."""
    base = mailbox << UID_BITS
    found: int = tx.value(_COUNT, after=base | above, last=base | MAX_UID, most=_COUNTED)
    return found if found < _COUNTED else max(found, most)
