"""Rows of `owed` after a database was lost, or replaced by an older one: nobody knows what home has got since.

Each function runs in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from mpcontinuity.accounts import counters
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.queue import kept
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import end_of_owed, reopen_owed

STEP = 500  # rows of one transaction

_OPEN = Statement("SELECT id, body, recipient FROM owed WHERE id > :after AND ended = 0 ORDER BY id LIMIT :step")
_DOUBT = Statement(
    "UPDATE owed SET state = 'in_doubt', token = 0, lease_until = 0, run = 0 WHERE id IN [:ids] AND ended = 0"
)
_DELIVERED = Statement(
    "UPDATE owed SET state = 'delivered', ended = :now, token = 0, lease_until = 0, run = 0 WHERE id = :id"
)
_KNOWN = Statement("SELECT 1 FROM owed WHERE id = :id")
_TRACKED = Statement("SELECT 1 FROM tracking WHERE owed = :id")
_ROWS_OF_ACCOUNT = Statement("SELECT COUNT(*) FROM owed WHERE account = :account")
_ROWS = Statement("SELECT COUNT(*) FROM owed WHERE domain = :domain AND account IS NULL")

_SINCE = "Home took it after the backup that the database comes from was made (noted in a pack)"


def known(tx: Transaction, owed_id: int) -> bool:
    """Returns whether there is a row with this id."""
    return tx.one(_KNOWN, id=owed_id) is not None


def open_rows(tx: Transaction, after: int) -> list[tuple[int, int, str]]:
    """Returns the next STEP open rows above the id ``after``, each as id, body and recipient."""
    return [(id_, body, recipient) for id_, body, recipient in tx.all(_OPEN, after=after, step=STEP)]


def in_doubt(tx: Transaction, ids: Collection[int]) -> int:
    """Marks rows as in doubt, because home may have got them since. Returns how many.

    They are tried again under the same id, by which home can notice a repeat.
    """
    return tx.run(_DOUBT, ids=list(ids))


def delivered(tx: Transaction, owed_id: int) -> None:
    """Ends a row of which a pack says that home took it."""
    tx.run(_DELIVERED, id=owed_id, now=tx.now)
    end_of_owed(tx, owed_id, DELIVERED, TrackingEvent(tx.now, "", 250, _SINCE))
    kept.delivered(tx, owed_id)


def tracked(tx: Transaction, owed_id: int, event: TrackingEvent) -> bool:
    """Has tracking show a row as owed again. Returns False if tracking does not have it."""
    if tx.one(_TRACKED, id=owed_id) is None:
        return False
    reopen_owed(tx, owed_id, event)
    return True


def counted(tx: Transaction, domain: int, account: int | None) -> bool:
    """Returns whether more was counted as taken in than there are rows, so that a row to be put back is in that
    number."""
    if account is not None:
        return counters.unfolded(tx, account) > int(tx.value(_ROWS_OF_ACCOUNT, account=account))
    has = meta.number(tx, unregistered_counter(domain))
    return has > int(tx.value(_ROWS, domain=domain))


def uncount(tx: Transaction, domain: int, account: int | None) -> None:
    """Counts one less as taken in, because the row that was put back was counted when it came."""
    if account is not None:
        counters.take_back(tx, account)
    else:
        meta.count_less(tx, unregistered_counter(domain))
