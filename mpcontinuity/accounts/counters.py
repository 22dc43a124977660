"""The counters of the ledger on rows of the table ``account``: what was ever owed to a user, and how it ended.

All functions are work for one transaction. Rows of `owed` are counted by queue/; what is here outlives them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.model.owed import OUTCOMES, RELEASED
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

_LOCK = Statement("SELECT id FROM account WHERE id IN [:accounts] ORDER BY id [FOR UPDATE]")
_TAKE_IN = Rows(
    """WITH new (account, count) AS (VALUES [2])
    UPDATE account SET taken_in = taken_in + new.count FROM new WHERE id = new.account"""
)
_TAKE_BACK = Statement("UPDATE account SET taken_in = taken_in - 1 WHERE id = :account")
_FOLD = {
    outcome: Statement(f"UPDATE account SET folded_{outcome} = folded_{outcome} + :rows WHERE id = :account")
    for outcome in OUTCOMES
}
_HAND_OVER = Statement(
    "UPDATE account SET taken_in = taken_in + CASE id WHEN :into THEN :rows ELSE -:rows END "
    "WHERE id IN (:account, :into)"
)
_SUMS = ("taken_in", *(f"folded_{outcome}" for outcome in OUTCOMES))
_HAND_OVER_SUMS = Statement(
    f"""UPDATE account SET {", ".join(f"{name} = account.{name} + gone.{name}" for name in _SUMS)}
    FROM account AS gone WHERE account.id = :into AND gone.id = :account"""
)
_UNFOLDED = Statement(
    "SELECT taken_in - folded_delivered - folded_deleted - folded_failed - folded_expired - folded_released "
    "FROM account WHERE id = :account"
)
_SET_TAKEN_IN = Statement("UPDATE account SET taken_in = :taken_in WHERE id = :account AND taken_in = :was")


def take_in(tx: Transaction, counts: Sequence[tuple[int, int]]) -> None:
    """Counts messages that are owed from now on: pairs of an account's id and a number, each account once."""
    if len(counts) > 1:
        tx.lock(_LOCK, accounts=[account for account, _ in counts])
    tx.run_rows(_TAKE_IN, sorted(counts))


def take_back(tx: Transaction, account: int) -> None:
    """Counts one message less, which was counted twice."""
    tx.run(_TAKE_BACK, account=account)


def hand_over(tx: Transaction, account: int, into: int, rows: int) -> None:
    """Counts rows of `owed` for the account ``into`` that were counted for ``account``."""
    if rows:
        tx.lock(_LOCK, accounts=[account, into])
        tx.run(_HAND_OVER, account=account, into=into, rows=rows)


def hand_over_sums(tx: Transaction, account: int, into: int) -> None:
    """Counts for the account ``into`` all that is left of ``account``: rows that retention has dropped."""
    tx.lock(_LOCK, accounts=[account, into])
    tx.run(_HAND_OVER_SUMS, account=account, into=into)


def fold(tx: Transaction, account: int, outcome: str, rows: int) -> None:
    """Keeps the number of rows of `owed` that ended with ``outcome`` (model/owed.py) and are dropped now."""
    tx.run(_FOLD[outcome], account=account, rows=rows)


def unfolded(tx: Transaction, account: int) -> int:
    """Returns how many rows of `owed` an account has to have, open or ended, by what was counted.

    0 where there is no such account.
    """
    return int(tx.value(_UNFOLDED, account=account) or 0)


def balance(tx: Transaction, account: int, *, was: int, taken_in: int, released: int) -> bool:
    """Mends a ledger that does not add up: sets what was taken in, and counts lost rows as released.

    False: it was counted on since somebody found it to be ``was``, and nothing is changed.
    """
    if not tx.run(_SET_TAKEN_IN, account=account, was=was, taken_in=taken_in):
        return False
    tx.run(_FOLD[RELEASED], account=account, rows=released)
    return True
