"""Puts mail that is owed without a mailbox into INBOX when its address is registered afterwards (contract)."""

from __future__ import annotations

from collections.abc import Collection

from mpcontinuity.accounts import counters
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model import address
from mpcontinuity.model.body import Body
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one reading

_WITHOUT = Statement(
    """SELECT owed.id, recipient, received, body.id, pack, body."offset", length, prefix, crc
    FROM owed JOIN body ON body.id = owed.body
    WHERE owed.domain = :domain AND owed.account IS NULL AND owed.id > :after
        AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    ORDER BY owed.id LIMIT :step"""
)
_ADOPT = Statement(
    "UPDATE owed SET account = :account WHERE id = :id AND account IS NULL AND ended = 0 RETURNING domain"
)


def without_mailbox(
    tx: Transaction, domain: int, keys: Collection[str], after: int = 0
) -> tuple[list[tuple[int, str, int, Body]], int | None]:
    """Returns open rows for these addresses (`Address.key`): the next STEP above the id ``after``.

    Each is given as id, recipient, time received and body. The second value is where to go on, or None at the end.
    """
    rows = tx.all(_WITHOUT, domain=domain, after=after, step=STEP)
    found = []
    for id_, text, received, *body in rows:
        recipient = address.parse(text)
        if recipient.key in keys or recipient.untagged_key in keys:
            found.append((id_, text, received, Body(*body)))
        after = id_
    return found, after if len(rows) == STEP else None


def adopt(tx: Transaction, owed_id: int, account: int, entry: NewEntry) -> bool:
    """Gives a row to an account, with ``entry`` in its INBOX. Returns False if the row has ended or has an account."""
    domain = tx.value(_ADOPT, id=owed_id, account=account)
    if domain is None:
        return False
    append(tx, mailboxes.inbox(tx, account), (entry,))
    counters.take_in(tx, [(account, 1)])
    meta.count_less(tx, unregistered_counter(domain))
    return True
