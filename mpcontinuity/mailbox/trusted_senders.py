"""The table ``trusted_sender``: of whose mail a user wants pictures from elsewhere. Each function is part of a
transaction."""

from __future__ import annotations

from typing import Final

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST: Final = 1_000  # of one user: with more the oldest goes
_LONGEST: Final = 320  # characters of an address (RFC 5321 §4.5.3.1)

_ADD = Statement(
    "INSERT INTO trusted_sender (account, address, added) VALUES (:account, :address, :now) "
    "ON CONFLICT (account, address) DO UPDATE SET added = excluded.added"
)
_TRIM = Statement(
    "DELETE FROM trusted_sender WHERE account = :account AND address IN "
    "(SELECT address FROM trusted_sender WHERE account = :account ORDER BY added DESC, address "
    "LIMIT 1000000 OFFSET :most)"
)
_FIND = Statement("SELECT 1 FROM trusted_sender WHERE account = :account AND address = :address")
_LIST = Statement("SELECT address FROM trusted_sender WHERE account = :account ORDER BY address")
_REMOVE = Statement("DELETE FROM trusted_sender WHERE account = :account AND address = :address")


def add(tx: Transaction, account: int, address: str, now: int) -> None:
    """Trusts a sender from now on; ``now`` is in µs."""
    tx.run(_ADD, account=account, address=_key(address), now=now)
    tx.run(_TRIM, account=account, most=MOST)


def trusts(tx: Transaction, account: int, address: str) -> bool:
    """Returns whether the user trusts the sender."""
    return tx.value(_FIND, account=account, address=_key(address)) is not None


def listing(tx: Transaction, account: int) -> list[str]:
    """Returns the addresses that the user trusts, in order."""
    return [address for (address,) in tx.all(_LIST, account=account)]


def remove(tx: Transaction, account: int, address: str) -> None:
    """Trusts a sender no more."""
    tx.run(_REMOVE, account=account, address=_key(address))


def _key(address: str) -> str:
    return address.strip().casefold()[:_LONGEST]
