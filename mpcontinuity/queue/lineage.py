r"""Whether the user still has a message, judged by its content and not by its entry in a mailbox.

A COPY has the same body as its origin, so that COPY and EXPUNGE are a move. A message that a client fetched and appends
again (mbsync moves in this way, and adds a line of its own) has another body, which names its origin. A message is
deleted if no entry of it is left, or only entries that are flagged ``\Deleted`` or lie in Trash or below it. All of
that can be undone until it is judged: at the claim, when the message would be sent.
"""

from __future__ import annotations

from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.flags import DELETED
from mpcontinuity.store.bodies.references import set_origin
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# What is left of a message, as a condition on `entry` and `mailbox`; entry.id is mailbox << 32 | uid.
LIVE = rf"""entry.body IN (SELECT :body UNION ALL SELECT id FROM body WHERE origin = :body AND origin > 0)
    AND mailbox.account = :account AND entry.flags & :deleted = 0 AND mailbox.use NOT IN ('\Trash', '{ARCHIVED_USE}')
    AND NOT EXISTS (SELECT 1 FROM mailbox trash WHERE trash.account = :account AND trash.use = '\Trash'
        AND substr(mailbox.name, 1, length(trash.name) + 1) = trash.name || '/')"""
# From the user's mailboxes: a message to all of an office is in thousands of others.
_HAS = Statement(
    f"""SELECT 1 FROM mailbox JOIN entry ON entry.id BETWEEN mailbox.id << 32 AND (mailbox.id << 32) + 4294967295
    WHERE {LIVE} LIMIT 1"""
)
# With a removed user went the mailboxes, and nobody deleted a message: what an administrator reopens is to be sent.
_REMOVED = Statement("SELECT 1 FROM account WHERE id = :account AND status = 'removed'")
# Failed and expired ones too: an administrator may reopen them.
_OWED = Statement(
    """SELECT 1 FROM owed WHERE body = :origin AND account = :account
        AND (ended = 0 OR state IN ('failed', 'expired')) LIMIT 1"""
)


def judge_deleted(tx: Transaction, account: int, body: int) -> bool:
    """Returns whether the user of ``account``, who had the message in a mailbox, has deleted it."""
    if tx.one(_HAS, account=account, body=body, deleted=DELETED) is not None:
        return False
    return tx.one(_REMOVED, account=account) is None


def descend(tx: Transaction, account: int, body: int, origin: int) -> None:
    """Notes that ``body``, which the user appended, is the message ``origin``, as its trace fields say.

    That is believed only where the message is owed to this user, or may be again.
    """
    if tx.one(_OWED, account=account, origin=origin) is not None:
        set_origin(tx, body, origin)
