"""Keeps one copy in Sent of a message that a user sends: the one that their client appends, else ours.

What we and the client have put there is remembered by its Message-ID, as long as the other may come.
"""

from __future__ import annotations

import hashlib

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import ARCHIVED_USE, SEPARATOR
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 7 * DAY  # a client that was without a network appends when it is back

USE = "\\Sent"
STEP = 500  # rows of one transaction

_REMOVED = Statement("SELECT 1 FROM account WHERE id = :account AND status = 'removed'")
_FIND = Statement(
    f"""SELECT body, own FROM sent WHERE account = :account AND message_id = :message_id
    AND EXISTS (SELECT 1 FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32
        WHERE entry.body = sent.body AND mailbox.account = sent.account AND mailbox.use <> '{ARCHIVED_USE}')"""
)
_NOTE = Statement(
    """INSERT INTO sent (account, message_id, body, own, time) VALUES (:account, :message_id, :body, :own, :now)
    ON CONFLICT (account, message_id) DO UPDATE SET body = excluded.body, own = excluded.own, time = excluded.time"""
)
_ENTRIES = Statement(
    """SELECT entry.id FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32
    WHERE entry.body = :body AND mailbox.account = :account AND mailbox.use = :use ORDER BY entry.id"""
)
_FORGET = Statement(
    """DELETE FROM sent WHERE (account, message_id) IN
        (SELECT account, message_id FROM sent WHERE time < :before ORDER BY time LIMIT :step)"""
)


def takes(mailbox: MailboxInfo) -> bool:
    """Returns whether clients put copies of sent mail there: Outlook makes a folder ``Sent Items`` of its own."""
    return mailbox.use == USE or mailbox.name.rpartition(SEPARATOR)[2].lower().startswith("sent")


def folder(tx: Transaction, account: int) -> int:
    """Returns the mailbox for our copies. Raises Temporary for a user who was removed meanwhile."""
    info = mailboxes.by_use(tx, account, USE) or mailboxes.find(tx, account, "Sent")
    if info is None:
        if tx.one(_REMOVED, account=account) is not None:
            raise Temporary("the sender was removed meanwhile")
        info = mailboxes.create(tx, account, "Sent", USE)
    return info.id


def find(tx: Transaction, account: int, message_id: str) -> tuple[int, bool] | None:
    """Returns the body of a copy that the user still has, and whether their client put it there, or None."""
    row = tx.one(_FIND, account=account, message_id=_key(message_id))
    if row is None:
        return None
    body, own = row
    return body, bool(own)


def note(tx: Transaction, account: int, message_id: str, body: int, *, own: bool) -> None:
    """Notes that there is a copy. ``own`` is true for the client's own one."""
    tx.run(_NOTE, account=account, message_id=_key(message_id), body=body, own=int(own), now=tx.now)


def appended(tx: Transaction, account: int, message_id: str, body: int) -> int:
    """Notes that the client has appended its own copy, so that ours goes.

    It returns the body of ours, or 0 where there was none.
    """
    known = find(tx, account, message_id)
    note(tx, account, message_id, body, own=True)
    if known is None:
        return 0
    ours, by_client = known
    if by_client:
        return 0
    for (entry,) in tx.all(_ENTRIES, account=account, body=ours, use=USE):
        mailbox, uid = entry >> UID_BITS, entry & (1 << UID_BITS) - 1
        change.remove(tx, mailbox, ((uid, uid),))
    return ours


def _key(message_id: str) -> str:
    """Of a length that every index takes."""
    return hashlib.blake2b(message_id.strip().encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def forget(tx: Transaction) -> int:
    """Forgets up to STEP copies older than REMEMBERED. Returns how many: call it again while that is STEP."""
    return tx.run(_FORGET, before=tx.now - REMEMBERED, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all copies older than REMEMBERED."""
    while await store.run(forget, bulk=True) == STEP:
        pass
