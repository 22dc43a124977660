"""Hands what is owed over to another user, who has the mail from then on. Functions are work for one transaction."""

from __future__ import annotations

from mpcontinuity.accounts import counters
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.change import move_oldest, remove
from mpcontinuity.model import uidset
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 200  # messages or rows of one transaction; each message has some rows, and what is rendered moves with it

_OF_ENTRIES = Statement(
    """UPDATE owed SET account = :into WHERE account = :account
    AND body IN (SELECT body FROM entry WHERE id BETWEEN :first AND :last)"""
)
# A message to both is one body. What they have in another folder, or have deleted, is theirs to judge.
_DOUBLED = Statement(
    """SELECT id & 4294967295 FROM entry WHERE id BETWEEN :first AND :last AND EXISTS (
        SELECT 1 FROM entry AS other WHERE other.body = entry.body AND other.id BETWEEN :inbox AND :first - 1)
    ORDER BY id"""
)
_SOME = Statement(
    "UPDATE owed SET account = :into WHERE id IN (SELECT id FROM owed WHERE account = :account LIMIT :step)"
)


def hand_over_mail(tx: Transaction, mailbox: int, account: int, into: int, inbox: int) -> int:
    """Moves up to STEP messages of a mailbox of ``account`` to the ``inbox`` of the account ``into``.

    What home is owed of them goes with them, so that none is taken for deleted; one that came for both is there once.
    Returns how many were moved: call it again until there are none.
    """
    moved = move_oldest(tx, mailbox, inbox, STEP)
    if not moved:
        return 0
    first, last = moved
    rows = tx.run(_OF_ENTRIES, account=account, into=into, first=first, last=last)
    counters.hand_over(tx, account, into, rows)
    doubled = [uid for (uid,) in tx.all(_DOUBLED, inbox=inbox << UID_BITS, first=first, last=last)]
    if doubled:
        remove(tx, inbox, uidset.of(doubled))
    return last - first + 1


def hand_over_rows(tx: Transaction, account: int, into: int) -> bool:
    """Hands over up to STEP rows of `owed` whose messages are in no mailbox. Returns whether there were any."""
    rows = tx.run(_SOME, account=account, into=into, step=STEP)
    counters.hand_over(tx, account, into, rows)
    return rows > 0
