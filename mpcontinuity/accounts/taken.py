"""Rows of the table ``taken``: addresses that home took lately, and what says that home knows an address.

All functions but `sweep` are work for one transaction. ``key`` is an ``Address.key``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED_DAYS = 30
STEP = 500  # rows of one transaction
_RENEW = DAY
_A_FEW = 3  # users of a domain are counted so far

# In ascending order of keys, as all rows are locked that several transactions may want.
_TAKEN = Rows(
    f"""INSERT INTO taken (key, time) VALUES [2]
    ON CONFLICT (key) DO UPDATE SET time = excluded.time WHERE taken.time < excluded.time - {_RENEW}"""
)
_WAS_TAKEN = Statement("SELECT 1 FROM taken WHERE key = :key AND time >= :oldest")
# What passed through is tracked as delivered; what was owed before and went home has that outcome. Sums of the ledger
# and users whom relay-check found outlive both.
_EVER_TAKEN = Statement(
    """SELECT 1 FROM taken WHERE key = :key
    UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM tracking WHERE recipient_key = :key
        AND (status = 'delivered' AND direction = 'inbound' OR outcome = 'delivered'))
    UNION ALL SELECT 1 FROM account JOIN address ON address.account = account.id
        WHERE address.key = :key AND (folded_delivered > 0 OR source = 'relay-check')
    LIMIT 1"""
)
# Whoever sends to a home that takes any address brings as many rows as they have messages.
_OLD = Statement(
    """SELECT key FROM taken WHERE time < :before
        AND NOT EXISTS (SELECT 1 FROM address WHERE address.key = taken.key) ORDER BY time LIMIT :step"""
)
_FORGET = Statement("DELETE FROM taken WHERE key IN [:keys] AND time < :before")
_USERS = Statement(
    """SELECT COUNT(*) FROM (SELECT 1 AS one FROM account
        WHERE domain = :domain AND status IN ('active', 'pending') LIMIT :most) AS counted"""
)
# One after the other: a fault of one mailbox would be taken for the server's for ever.
_KNOWN_USER = Statement(
    """SELECT account.id, account.address, taken.time FROM account
    JOIN address ON address.account = account.id AND address.alias = 0 LEFT JOIN taken ON taken.key = address.key
    WHERE account.domain = :domain AND account.status IN ('active', 'pending') AND account.id > :after
    ORDER BY account.id LIMIT 1"""
)
_SOME_USERS = Statement(
    "SELECT address FROM account WHERE domain = :domain AND status IN ('active', 'pending') ORDER BY id DESC LIMIT 4"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an address that home refuses.

    ``taken`` says that home took mail for it before; ``users`` is how many users its domain has, counted up to a few.
    """

    taken: bool
    users: int


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user whom home should know; ``noted``: the database has it that home took their address lately."""

    id: int
    address: str
    noted: bool


def note_taken(tx: Transaction, keys: Collection[str]) -> None:
    """Notes that home took these addresses now. A row is renewed once a day at the most."""
    tx.run_rows(_TAKEN, [(key, tx.now) for key in sorted(set(keys))])


async def sweep(store: Store) -> None:
    """Forgets addresses that nobody has here and that home took longer than `REMEMBERED_DAYS` ago, in steps of the bulk
    lane. Raises Temporary."""
    before = store.clock.now() - REMEMBERED_DAYS * DAY
    while old := await store.read(partial(_old, before=before)):
        await store.run(partial(_forget, keys=old, before=before), bulk=True)


def _old(tx: Transaction, before: int) -> list[str]:
    return [key for (key,) in tx.all(_OLD, before=before, step=STEP)]


def _forget(tx: Transaction, keys: list[str], before: int) -> None:
    tx.run(_FORGET, keys=keys, before=before)


def was_taken(tx: Transaction, key: str) -> bool:
    """Says whether home took that address within the last `REMEMBERED_DAYS`."""
    return tx.value(_WAS_TAKEN, key=key, oldest=tx.now - REMEMBERED_DAYS * DAY) is not None


def standing(tx: Transaction, domain: int, key: str) -> Standing:
    """Returns what is known of an address of a domain (its id) that home refuses."""
    taken = tx.value(_EVER_TAKEN, key=key) is not None
    return Standing(taken, int(tx.value(_USERS, domain=domain, most=_A_FEW) or 0))


def known_user(tx: Transaction, domain: int, after: int = 0) -> KnownUser | None:
    """Returns a user for the probe to ask for: the next one by id ``after`` that id, or else the first, if any."""
    row = tx.one(_KNOWN_USER, domain=domain, after=after) or tx.one(_KNOWN_USER, domain=domain, after=0)
    if row is None:
        return None
    account, address, time = row
    return KnownUser(account, address, tx.now - (time or 0) < _RENEW)


def some_users(tx: Transaction, domain: int) -> list[str]:
    """Returns addresses of the latest users, for a question about another than whose mailbox ends sessions."""
    return [row[0] for row in tx.all(_SOME_USERS, domain=domain)]
