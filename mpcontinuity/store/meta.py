"""The table `meta`: facts about the store as a whole, a text under a key. Every function is part of a transaction.

Whoever keeps a fact here names its key beside the code that needs it; nobody else writes SQL on the table.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

_GET = Statement("SELECT value FROM meta WHERE key = :key")
_PUT = Statement(
    "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_PUT_NEW = Statement("INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")
_REMOVE = Statement("DELETE FROM meta WHERE key = :key")
_RAISE = Statement(
    "INSERT INTO meta (key, value) VALUES (:key, :first) ON CONFLICT (key) DO UPDATE SET value = CAST(CASE "
    "WHEN CAST(meta.value AS BIGINT) < :least THEN :least ELSE CAST(meta.value AS BIGINT) END + :by AS TEXT) "
    "RETURNING value"
)
_COUNT = Rows(
    """INSERT INTO meta (key, value) VALUES [2] ON CONFLICT (key)
    DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + CAST(excluded.value AS BIGINT) AS TEXT)"""
)
_COUNT_LESS = Statement("UPDATE meta SET value = CAST(CAST(value AS BIGINT) - :by AS TEXT) WHERE key = :key")


def get(tx: Transaction, key: str) -> str:
    """Returns the text under the key; empty where there is none."""
    return str(tx.value(_GET, key=key) or "")


def put(tx: Transaction, key: str, value: str) -> None:
    """Writes the text under the key, whatever was there before."""
    tx.run(_PUT, key=key, value=value)


def put_new(tx: Transaction, key: str, value: str) -> str:
    """Writes the text under the key unless there is one, and returns the one that is there now."""
    tx.run(_PUT_NEW, key=key, value=value)
    return get(tx, key)


def remove(tx: Transaction, key: str) -> None:
    """Removes what is under the key, if anything is."""
    tx.run(_REMOVE, key=key)


def number(tx: Transaction, key: str) -> int:
    """Returns the counter under the key; 0 where there is none."""
    return int(get(tx, key) or 0)


def raise_number(tx: Transaction, key: str, *, by: int = 1, least: int = 0) -> int:
    """Lifts the counter to ``least`` if it is below that, adds ``by``, and returns it: above any it had before."""
    return int(tx.value(_RAISE, key=key, first=str(least + by), least=least, by=by))


def count(tx: Transaction, counts: Sequence[tuple[str, int]]) -> None:
    """Adds to the counters of these keys, each named once; one that is not there begins at 0."""
    tx.run_rows(_COUNT, sorted((key, str(number)) for key, number in counts))


def count_less(tx: Transaction, key: str, by: int = 1) -> None:
    """Subtracts from the counter under the key, if there is one."""
    tx.run(_COUNT_LESS, key=key, by=by)
