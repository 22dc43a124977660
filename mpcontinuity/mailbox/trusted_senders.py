"""The table ``trusted_sender``: of whose mail a user wants pictures from elsewhere. Each function is part of a
transaction. A row is an address, or a domain with an at sign before it, which stands for all its addresses."""

from __future__ import annotations

from typing import Final

from mpcontinuity.model.address import domain_key
from mpcontinuity.model.errors import Refused
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
_FIND = Statement("SELECT COUNT(*) FROM trusted_sender WHERE account = :account AND address IN (:address, :domain)")
_COUNT = Statement("SELECT COUNT(*) FROM trusted_sender WHERE account = :account AND address <> :address")
_LIST = Statement(
    "SELECT address FROM trusted_sender WHERE account = :account AND address > :after ORDER BY address LIMIT :limit"
)
_REMOVE = Statement("DELETE FROM trusted_sender WHERE account = :account AND address = :address")
_FORGET = Statement("DELETE FROM trusted_sender WHERE account = :account")


def add(tx: Transaction, account: int, address: str, now: int) -> None:
    """Trusts a sender from now on; ``now`` is in µs."""
    tx.run(_ADD, account=account, address=_key(address), now=now)
    tx.run(_TRIM, account=account, most=MOST)


def add_another(tx: Transaction, account: int, address: str) -> None:
    """Trusts an address, or with an at sign before it a whole domain. Raises Refused for one more than `MOST`: unlike
    `add`, it drops none."""
    if int(tx.value(_COUNT, account=account, address=_key(address))) >= MOST:
        raise Refused(f"{MOST} senders are trusted already", "conflict")
    add(tx, account, address, tx.now)


def trusts(tx: Transaction, account: int, address: str) -> bool:
    """Returns whether the user trusts the sender, or the sender's domain."""
    key = _key(address)
    return bool(tx.value(_FIND, account=account, address=key, domain=key[key.rfind("@") :] if "@" in key else key))


def listing(tx: Transaction, account: int, after: str = "", limit: int = MOST) -> list[str]:
    """Returns up to ``limit`` of the addresses and domains that the user trusts, in order, above ``after``."""
    return [address for (address,) in tx.all(_LIST, account=account, after=after, limit=limit)]


def remove(tx: Transaction, account: int, address: str) -> None:
    """Trusts a sender no more."""
    tx.run(_REMOVE, account=account, address=_key(address))


def _key(address: str) -> str:
    local, at, domain = address.strip().casefold()[:_LONGEST].rpartition("@")
    return f"{local}@{domain_key(domain)}" if at else domain


def forget(tx: Transaction, account: int) -> None:
    """Forgets all whom a user trusts, who is removed."""
    tx.run(_FORGET, account=account)
