"""Letting go of what is owed and stored, in steps that do not hold up mail."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import leaving_users, vacation
from mpcontinuity.control.operation import Control
from mpcontinuity.mailbox import change, invitation_answers, mailboxes, signature, trusted_senders
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue import listing, removal
from mpcontinuity.store.transaction import Transaction


def refuse_owed(count: int, whom: str, name: str, hint: Hint) -> None:
    """Raises Refused, with the ``hint``, if ``count`` messages of ``name`` (not 0) are still owed to ``whom``."""
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


async def erase(control: Control, account: int, *, rows_too: bool = False) -> None:
    """Removes the mailboxes of a user whom no address leads to any more, and the row itself.

    The row stays where the ledger has something to say about it, unless ``rows_too``. If a crash interrupts it, it
    is called again and goes on.
    """
    store = control.store
    for info in await store.read(partial(mailboxes.listing, account=account)):
        while await store.run(partial(change.empty, mailbox=info.id), bulk=True):
            pass
    await store.run(partial(_forget_mailboxes, account=account))
    while await store.run(partial(removal.forget_sender, account=account), bulk=True):
        pass
    while rows_too and await store.run(partial(removal.forget_ended_of_account, account=account), bulk=True):
        pass
    await store.run(partial(_forget, account=account, rows_too=rows_too))


def _forget_mailboxes(tx: Transaction, account: int) -> None:
    """And what the user has written to be said in their name. What finds the removal unfinished is the mailboxes."""
    signature.forget(tx, account)
    vacation.forget(tx, account)
    invitation_answers.forget(tx, account)
    trusted_senders.forget(tx, account)
    mailboxes.delete_all(tx, account)


def _forget(tx: Transaction, account: int, rows_too: bool) -> None:
    if rows_too or not removal.has_ledger(tx, account):
        leaving_users.delete(tx, account)


async def finish_removals(control: Control) -> None:
    """Goes on with removals of users that a crash interrupted: what is owed first, or it would count as deleted by
    its user."""
    for account, domain in await control.store.read(leaving_users.being_removed):
        await release(control, domain, account=account)
        await erase(control, account)
