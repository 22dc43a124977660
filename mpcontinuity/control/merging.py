"""A user who waits for a password becomes one with another user: their addresses, their mail, and what home is owed.

The addresses are the other user's at once (accounts/users.absorb). The mail follows in steps, each message with its row
of the ledger; what a crash interrupts is gone on with by a chore.
"""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import counters, leaving_users
from mpcontinuity.control.operation import Control
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.queue import merging, removal
from mpcontinuity.store.transaction import Transaction


class Merging(msgspec.Struct, frozen=True):
    """How far it is: so many messages are in the other user's INBOX."""

    moved: int


async def merge(control: Control, account: int) -> None:
    """Moves the mail of a user who was absorbed, and what home is owed of it, to the user who absorbed them.

    If a crash interrupts it, it is called again and goes on. Raises Temporary.
    """
    store = control.store
    moved = 0
    while True:
        while some := await store.run(partial(_move_some, account=account), bulk=True):
            moved += some
            control.progress(msgspec.to_builtins(Merging(moved)))
        while await store.run(partial(_hand_over_rows, account=account), bulk=True):
            pass
        while await store.run(partial(removal.forget_sender, account=account), bulk=True):
            pass
        if await store.run(partial(_end, account=account)):
            return


def _move_some(tx: Transaction, account: int) -> int:
    into = leaving_users.absorbed_by(tx, account)
    if into is None:
        return 0
    for info in mailboxes.listing(tx, account):
        if info.messages:
            return merging.hand_over_mail(tx, info.id, account, into, mailboxes.inbox(tx, into))
    return 0


def _hand_over_rows(tx: Transaction, account: int) -> bool:
    into = leaving_users.absorbed_by(tx, account)
    return into is not None and merging.hand_over_rows(tx, account, into)


def _end(tx: Transaction, account: int) -> bool:
    """Drops the row, whose sums are the other user's then. False: something has come meanwhile. Where the other user is
    being removed, so is this one (control/removal.py)."""
    into = leaving_users.absorbed_by(tx, account)
    if into is None:
        return True
    if any(info.messages for info in mailboxes.listing(tx, account)) or removal.has_rows(tx, account):
        return False
    counters.hand_over_sums(tx, account, into)
    mailboxes.delete_all(tx, account)
    leaving_users.delete(tx, account)
    return True


async def finish_merges(control: Control) -> None:
    """Goes on with merges that a crash interrupted: a chore, before that of removals. Raises Temporary."""
    for account in await control.store.read(leaving_users.being_absorbed):
        await merge(control, account)
