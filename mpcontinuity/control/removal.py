"""Letting go of what is owed and stored, in steps that do not hold up mail."""

from __future__ import annotations

from functools import partial

from mpcontinuity.control.operation import Control
from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue import listing
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_OPEN = "state IN ('owed', 'claimed', 'in_flight', 'in_doubt')"
_COUNT = Statement(
    f"SELECT COUNT(*) FROM owed WHERE {_OPEN} "
    "AND (:domain = 0 OR domain = :domain) AND (:account = 0 OR account = :account)"
)
_FORGET_OWED = Statement(
    "DELETE FROM owed WHERE id IN (SELECT id FROM owed WHERE account = :account AND ended > 0 LIMIT 500)"
)
# What they have sent goes on, or stays as long as it is remembered; who sent it is not told of it any more.
_FORGET_SENDER = Statement(
    "UPDATE outgoing SET account = NULL WHERE id IN (SELECT id FROM outgoing WHERE account = :account LIMIT 500)"
)
_HAS_LEDGER = Statement(
    "SELECT 1 FROM account WHERE id = :account "
    "AND (taken_in > 0 OR EXISTS (SELECT 1 FROM owed WHERE account = :account))"
)
_REMOVED = Statement(
    "SELECT id, domain FROM account WHERE status = 'removed' "
    "AND EXISTS (SELECT 1 FROM mailbox WHERE mailbox.account = account.id)"
)
_DELETE = Statement("DELETE FROM account WHERE id = :account")


def open_rows(tx: Transaction, *, domain: int = 0, account: int = 0) -> int:
    """Counts the messages that are owed to a domain's home server, or of one user; 0 is any."""
    return int(tx.value(_COUNT, domain=domain, account=account))


def refuse_owed(count: int, whom: str, name: str, hint: Hint) -> None:
    """Raises Refused with the ``hint`` while anything is owed."""
    if count:
        messages = "1 message is" if count == 1 else f"{count} messages are"
        raise Refused(
            f"{name}: {messages} still owed to {whom}; wait until nothing of it waits in the queue",
            "conflict",
            hint,
        )


async def release(control: Control, domain: int, *, account: int = 0) -> None:
    """Ends all that home is owed of a domain, or of one of its users, as released by the caller."""
    step = partial(listing.release_all, domain=domain, by=control.caller.name, account=account)
    while await control.store.run(step, bulk=True):
        pass


def _forget_owed(tx: Transaction, account: int) -> bool:
    return tx.run(_FORGET_OWED, account=account) > 0


def _forget_sender(tx: Transaction, account: int) -> bool:
    return tx.run(_FORGET_SENDER, account=account) > 0


async def erase(control: Control, account: int, *, rows_too: bool = False) -> None:
    """Removes the mailboxes of a user whom no address leads to any more, and the row itself.

    The row stays where the ledger has something to say about it, unless ``rows_too``. Can be done again after a crash.
    """
    store = control.store
    for info in await store.read(partial(mailboxes.listing, account=account)):
        while await store.run(partial(change.empty, mailbox=info.id), bulk=True):
            pass
    await store.run(partial(mailboxes.delete_all, account=account))
    while await store.run(partial(_forget_sender, account=account), bulk=True):
        pass
    while rows_too and await store.run(partial(_forget_owed, account=account), bulk=True):
        pass
    await store.run(partial(_forget, account=account, rows_too=rows_too))


def _forget(tx: Transaction, account: int, rows_too: bool) -> None:
    if rows_too or tx.one(_HAS_LEDGER, account=account) is None:
        tx.run(_DELETE, account=account)


def _removed(tx: Transaction) -> list[tuple[int, int]]:
    return tx.all(_REMOVED)


async def finish_removals(control: Control) -> None:
    """Goes on with removals of users that a crash interrupted: what is owed first, or it would count as deleted by
    its user."""
    for account, domain in await control.store.read(_removed):
        await release(control, domain, account=account)
        await erase(control, account)
