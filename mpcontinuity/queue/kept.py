"""Messages that home has got and that are still in a mailbox here: marked, and removed after `kept-days`."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import domains
from mpcontinuity.mailbox import redelivered
from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STEP = 50  # rows of one transaction: each is a message to be looked for, and most of them one to be removed

_OPEN = "SELECT 1 FROM owed AS other WHERE other.body = {0}.body AND other.account = {0}.account AND other.ended = 0"
_DELIVERED = Statement(
    f"""UPDATE owed SET kept = 1 WHERE id = :id AND kind IN ('redelivery', 'draft') AND account IS NOT NULL
    RETURNING account, body, EXISTS ({_OPEN.format("owed")})"""
)
_LEAVE = Statement(
    f"""UPDATE owed SET kept = 0 WHERE id IN (
        SELECT id FROM owed WHERE domain = :domain AND kept = 1 AND ended < :before ORDER BY ended LIMIT :step)
    RETURNING account, body, EXISTS ({_OPEN.format("owed")})"""
)
_KEEPING = Statement(
    "SELECT id FROM domain WHERE EXISTS (SELECT 1 FROM owed WHERE owed.domain = domain.id AND owed.kept = 1)"
)


def delivered(tx: Transaction, owed_id: int) -> None:
    """Marks the user's message, of which home has now all that it was owed (mailbox/redelivered.py).

    A copy of what the user sent is no message that was received: it is neither marked nor removed.
    """
    for account, body, owed_still in tx.all(_DELIVERED, id=owed_id):
        if not owed_still:  # by another of the user's addresses
            redelivered.mark(tx, account, body)


def leave(tx: Transaction, domain: int, before: int) -> int:
    """Removes up to STEP messages of the domain's users from their mailboxes which home got before ``before`` (µs).

    Returns how many were looked at: call it again while that is STEP.
    """
    rows = tx.all(_LEAVE, domain=domain, before=before, step=STEP)
    redelivered.leave(tx, [(account, body) for account, body, owed_still in rows if not owed_still])
    return len(rows)


def _keeping(tx: Transaction) -> set[int]:
    return {row[0] for row in tx.all(_KEEPING)}


async def sweep(store: Store) -> None:
    """Removes all that has been kept for as long as its domain says, in short steps."""
    keeping = await store.read(_keeping)
    for domain in await store.read(domains.listing) if keeping else ():
        if domain.id not in keeping:
            continue
        before = store.clock.now() - domain.settings.kept_days * DAY
        while await store.run(partial(leave, domain=domain.id, before=before), bulk=True) == STEP:
            pass
