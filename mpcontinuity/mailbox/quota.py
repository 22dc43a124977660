"""What a user may store, and what they do store (RFC 9208), counted from the rows of their mailboxes.

A quota stops what users store themselves. Mail that comes in is never refused nor lost for it: in an outage it is owed
to the home server, whatever the mailbox holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.mailbox.names import ARCHIVED_USE, MailboxRefused, above
from mpcontinuity.model.texts import said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_USED = Statement(
    f"""SELECT COALESCE(SUM(octets), 0), COALESCE(SUM(messages), 0) FROM mailbox
    WHERE account = :account AND use <> '{ARCHIVED_USE}'"""
)
_NAMES = Statement(f"SELECT name FROM mailbox WHERE account = :account AND use <> '{ARCHIVED_USE}'")


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of what a user may store, of which 0 is none.

    ``mailboxes`` counts all names, those above a mailbox too.
    """

    octets: int = 0
    messages: int = 0
    mailboxes: int = 0

    def stretched(self) -> Quota:
        """Returns what the copies of sent mail may fill: an eighth more, so that a full mailbox keeps nobody from
        answering."""
        return Quota(self.octets * 9 // 8, self.messages * 9 // 8, self.mailboxes)


def used(tx: Transaction, account: int) -> Quota:
    """Returns what the account stores, but for the number of its mailboxes."""
    octets, messages = tx.all(_USED, account=account)[0]
    return Quota(int(octets), int(messages))


def used_in_all(tx: Transaction, account: int) -> Quota:
    """Returns what the account stores, with the number of its mailboxes."""
    names = {name for (name,) in tx.all(_NAMES, account=account)}
    held = used(tx, account)
    return Quota(held.octets, held.messages, len(names | above(names)))


def check(tx: Transaction, account: int, quota: Quota, *, octets: int = 0, messages: int = 0) -> None:
    """Raises MailboxRefused where the account has more than it may, together with what is to be added.

    It is called after something was stored in the same transaction, which is undone then; or before it comes, with its
    size.
    """
    if not quota.octets and not quota.messages:
        return
    held = used(tx, account)
    if quota.octets and held.octets + octets > quota.octets:
        raise MailboxRefused(
            "OVERQUOTA", said("that is more than %(most)d octets; delete some messages first", most=quota.octets)
        )
    if quota.messages and held.messages + messages > quota.messages:
        raise MailboxRefused(
            "OVERQUOTA", said("that is more than %(most)d messages; delete some of them first", most=quota.messages)
        )
