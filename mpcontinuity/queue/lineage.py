"""Whether the user still has a message: by content, not by entry (design 14).

A COPY has the same body as its origin, so that COPY and EXPUNGE are a move. Deleted is what has no entry left, or only
entries that are flagged \\Deleted or lie in Trash or below it. All of that is reversible until it is judged: at the
claim, when the message would be sent.
"""

from __future__ import annotations

from mpcontinuity.model.flags import DELETED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# entry.id is mailbox << 32 | uid.
_HAS = Statement(
    r"""SELECT 1 FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32
    WHERE entry.body = :body AND mailbox.account = :account AND entry.flags & :deleted = 0 AND mailbox.use <> '\Trash'
    AND NOT EXISTS (SELECT 1 FROM mailbox trash WHERE trash.account = :account AND trash.use = '\Trash'
        AND substr(mailbox.name, 1, length(trash.name) + 1) = trash.name || '/')
    LIMIT 1"""
)


def judge_deleted(tx: Transaction, account: int, body: int) -> bool:
    """Whether the user of ``account``, who had the message in a mailbox, has deleted it."""
    return tx.one(_HAS, account=account, body=body, deleted=DELETED) is None
