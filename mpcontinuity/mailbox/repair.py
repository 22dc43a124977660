"""What `mpcontinuity check --repair` writes into mailboxes that do not agree with their entries."""

from __future__ import annotations

from mpcontinuity.mailbox import conversations
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_SET = Statement(
    "UPDATE mailbox SET uidnext = :uidnext, modseq = :modseq, messages = :messages, unseen = :unseen, "
    "octets = :octets, deleted = :deleted WHERE id = :id"
)
_REMOVE = Statement("DELETE FROM entry WHERE id = :id")


def set_counters(
    tx: Transaction,
    mailbox: int,
    account: int,
    *,
    uidnext: int,
    modseq: int,
    messages: int,
    unseen: int,
    octets: int,
    deleted: int,
) -> None:
    """Sets the counters of a mailbox of that account to what was counted; sessions that have it open are told."""
    tx.run(
        _SET,
        id=mailbox,
        uidnext=uidnext,
        modseq=modseq,
        messages=messages,
        unseen=unseen,
        octets=octets,
        deleted=deleted,
    )
    tx.announce(MailboxChanged(mailbox, account, modseq))


def remove_entry(tx: Transaction, entry: int) -> None:
    """Removes an entry of a mailbox that is not there, with no trace of its UID."""
    tx.run(_REMOVE, id=entry)
    conversations.leave(tx, [entry])
