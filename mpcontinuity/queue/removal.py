"""What is left of a domain or an account in the queues when it is removed. Every function is work for one transaction.

Those that return whether they changed anything do a bounded step: call them again until they have not.
"""

from __future__ import annotations

from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_COUNT = Statement(
    """SELECT COUNT(*) FROM owed WHERE state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    AND (:domain = 0 OR domain = :domain) AND (:account = 0 OR account = :account)"""
)
_FORGET_OF_DOMAIN = Statement(
    "DELETE FROM owed WHERE id IN (SELECT id FROM owed WHERE domain = :domain AND ended > 0 LIMIT 500)"
)
_FORGET_OF_ACCOUNT = Statement(
    "DELETE FROM owed WHERE id IN (SELECT id FROM owed WHERE account = :account AND ended > 0 LIMIT 500)"
)
# What they have sent goes on, or stays as long as it is remembered; who sent it is not told of it any more.
_FORGET_SENDER = Statement(
    "UPDATE outgoing SET account = NULL WHERE id IN (SELECT id FROM outgoing WHERE account = :account LIMIT 500)"
)
_HAS_ROWS = Statement("SELECT 1 FROM owed WHERE account = :account LIMIT 1")
_HAS_LEDGER = Statement(
    """SELECT 1 FROM account WHERE id = :account
    AND (taken_in > 0 OR EXISTS (SELECT 1 FROM owed WHERE account = :account))"""
)


def open_rows(tx: Transaction, *, domain: int = 0, account: int = 0) -> int:
    """Returns how many messages are still owed to the home server of a domain, to the user of an account, or both."""
    return int(tx.value(_COUNT, domain=domain, account=account))


def forget_ended_of_domain(tx: Transaction, domain: int) -> bool:
    """Drops up to 500 rows of `owed` of the domain that have ended. Returns whether there were any."""
    return tx.run(_FORGET_OF_DOMAIN, domain=domain) > 0


def forget_ended_of_account(tx: Transaction, account: int) -> bool:
    """Drops up to 500 rows of `owed` of the account that have ended. Returns whether there were any."""
    return tx.run(_FORGET_OF_ACCOUNT, account=account) > 0


def forget_sender(tx: Transaction, account: int) -> bool:
    """Takes the account's name off up to 500 rows of `outgoing`. Returns whether there were any."""
    return tx.run(_FORGET_SENDER, account=account) > 0


def forget_counter(tx: Transaction, domain: int) -> None:
    """Drops the counter of what was taken in for addresses of the domain that have no account."""
    meta.remove(tx, unregistered_counter(domain))


def has_rows(tx: Transaction, account: int) -> bool:
    """Returns whether there are rows of `owed` for the account, open or ended."""
    return tx.one(_HAS_ROWS, account=account) is not None


def has_ledger(tx: Transaction, account: int) -> bool:
    """Returns whether the ledger has anything to say of the account: its row must stay then."""
    return tx.one(_HAS_LEDGER, account=account) is not None
