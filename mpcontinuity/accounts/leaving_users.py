"""Users to whom no address leads any more, and whose mail is to follow: removed, or made part of another user.

Both begin in users.py (`forget`, `absorb`) and end here, in steps that control/removal.py and control/merging.py take.
All functions are work for one transaction.
"""

from __future__ import annotations

from mpcontinuity.accounts import users
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ABSORBED_BY = Statement("SELECT absorbed_by FROM account WHERE id = :account")
_NOT_ABSORBED = Statement("UPDATE account SET absorbed_by = 0 WHERE id = :account")
_BEING_ABSORBED = Statement("SELECT id FROM account WHERE absorbed_by > 0 AND status = 'removed' ORDER BY id")
_BEING_REMOVED = Statement(
    "SELECT id, domain FROM account WHERE status = 'removed' AND absorbed_by = 0 "
    "AND EXISTS (SELECT 1 FROM mailbox WHERE mailbox.account = account.id)"
)
_DELETE = Statement("DELETE FROM account WHERE id = :account")


def absorbed_by(tx: Transaction, account: int) -> int | None:
    """Returns the account that takes over the mail of this one; None where there is none, or it is gone.

    Where it is gone, this one is being removed as any other.
    """
    into = int(tx.value(_ABSORBED_BY, account=account) or 0)
    if into and users.by_id(tx, into) is None:
        tx.run(_NOT_ABSORBED, account=account)
        return None
    return into or None


def being_absorbed(tx: Transaction) -> list[int]:
    """Returns accounts whose mail is to follow their addresses to another user."""
    return [account for (account,) in tx.all(_BEING_ABSORBED)]


def being_removed(tx: Transaction) -> list[tuple[int, int]]:
    """Returns account and domain of the users whose removal began (`forget`) and who have mailboxes still."""
    return [(account, domain) for account, domain in tx.all(_BEING_REMOVED)]


def delete(tx: Transaction, account: int) -> None:
    """Drops the row of a user whom no address leads to, and who has no mailbox, any more."""
    tx.run(_DELETE, account=account)
