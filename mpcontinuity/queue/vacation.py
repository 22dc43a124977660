"""Rows of the tables ``vacation_due`` and ``vacation_answer``: mail that a vacation text may answer, and to whom one
was sent. Each function runs in one transaction, but for `sweep`.

What may be answered is noted in the transaction that takes the message, so that a crash forgets none; the transaction
that queues the answer takes the note away, and writes down to whom it went. The key of that row is user and sender:
nobody is answered twice within `AGAIN`, whatever runs how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

AGAIN: Final = 7 * DAY  # from an answer until the same sender may have another one (RFC 3834 §2, and what sieve does)
# Notes of one user at a time. Each is gone within a minute; more of them is a flood of strangers who proved nothing.
MOST_DUE: Final = 500
# Answers of one user within a day. Nobody hears from so many people for the first time in a week; who does is the
# target of a host that sends in the name of thousands of addresses of its own domain, and must not answer for it.
MOST_A_DAY: Final = 200
STEP: Final = 100  # rows of one transaction

# In ascending order of their key, after all else that a transaction locks (`note`).
_NOTE = Statement(
    """INSERT INTO vacation_due (account, sender, body, recipient, reverse_path, received, submitted)
    SELECT :account, :sender, :body, :recipient, :reverse_path, :received, :submitted
    WHERE EXISTS (SELECT 1 FROM vacation JOIN account ON account.id = vacation.account
            WHERE vacation.account = :account AND account.vacation >= :least
            AND begins <= :received AND (ends = 0 OR ends > :received))
        AND NOT EXISTS (SELECT 1 FROM vacation_answer
            WHERE account = :account AND sender = :sender AND time > :since)
        AND (SELECT COUNT(*) FROM vacation_due WHERE account = :account) < :most
    ON CONFLICT (account, sender) DO NOTHING"""
)
_DUE = Statement(
    """SELECT account, sender, recipient, reverse_path, received, submitted,
        body.id, pack, body."offset", length, prefix, crc
    FROM vacation_due JOIN body ON body.id = vacation_due.body
    WHERE (account > :account OR account = :account AND sender > :sender)
    ORDER BY account, sender LIMIT :step"""
)
_DROP = Statement("DELETE FROM vacation_due WHERE account = :account AND sender = :sender AND body = :body")
# Of a message that the user has deleted meanwhile, and that nothing else keeps.
_DROP_LOST = Statement(
    "DELETE FROM vacation_due WHERE NOT EXISTS (SELECT 1 FROM body WHERE body.id = vacation_due.body)"
)
_DROP_SOME = Statement(
    """DELETE FROM vacation_due WHERE (account, sender) IN
    (SELECT account, sender FROM vacation_due LIMIT :step)"""
)
_ANSWERED = Statement(
    """INSERT INTO vacation_answer (account, sender, time) VALUES (:account, :sender, :now)
    ON CONFLICT (account, sender) DO UPDATE SET time = excluded.time WHERE vacation_answer.time <= :since"""
)
_LAST = Statement("SELECT time FROM vacation_answer WHERE account = :account AND sender = :sender")
_TODAY = Statement("SELECT COUNT(*) FROM vacation_answer WHERE account = :account AND time > :since")
_FORGET = Statement(
    """DELETE FROM vacation_answer WHERE (account, sender) IN
    (SELECT account, sender FROM vacation_answer WHERE time <= :before ORDER BY time LIMIT :step)"""
)


class NewDue(NamedTuple):
    """Mail of a user that may be answered. ``sender`` is the key of its reverse path, without its tag.

    ``least`` is what `User.vacation` has to be at the least for it. ``received`` is in µs; ``submitted`` says that its
    sender has logged in.
    """

    account: int
    sender: str
    body: int
    recipient: str
    reverse_path: str
    received: int
    submitted: bool
    least: int


class Due(NamedTuple):
    """A row of `vacation_due`, as in `NewDue`."""

    account: int
    sender: str
    recipient: str
    reverse_path: str
    received: int
    submitted: bool
    body: Body


def note(tx: Transaction, rows: Sequence[NewDue]) -> None:
    """Notes what may be answered: nothing where the text is off or its time is over, where the same sender waits or
    was answered already, and beyond `MOST_DUE`. Call it last in a transaction."""
    for row in sorted(set(rows)):
        tx.run(
            _NOTE,
            account=row.account,
            sender=row.sender,
            body=row.body,
            recipient=row.recipient,
            reverse_path=row.reverse_path,
            received=row.received,
            submitted=int(row.submitted),
            least=row.least,
            since=tx.now - AGAIN,
            most=MOST_DUE,
        )


START: Final = (0, "")


def due(tx: Transaction, after: tuple[int, str]) -> list[Due]:
    """Returns the next `STEP` rows behind an account and a sender, in that order."""
    account, sender = after
    return tx.records(_due, _DUE, account=account, sender=sender, step=STEP)


def drop(tx: Transaction, row: Due) -> bool:
    """Takes a row away: it is answered, or never will be. False: another process has done that."""
    return tx.run(_DROP, account=row.account, sender=row.sender, body=row.body.id) > 0


def drop_some(tx: Transaction) -> int:
    """Takes `STEP` rows away, whatever they are, and returns how many: call it again while that is `STEP`. What a
    backup has of them that was put back may have been answered since."""
    return tx.run(_DROP_SOME, step=STEP)


def answered(tx: Transaction, account: int, sender: str) -> bool:
    """Notes that a sender is answered now. False, and nothing is noted: they were within `AGAIN`."""
    return tx.run(_ANSWERED, account=account, sender=sender, now=tx.now, since=tx.now - AGAIN) > 0


def was_answered(tx: Transaction, account: int, sender: str) -> bool:
    """Returns whether the sender was answered within `AGAIN`."""
    last = tx.value(_LAST, account=account, sender=sender)
    return last is not None and last > tx.now - AGAIN


def today(tx: Transaction, account: int) -> int:
    """Returns how many were answered within a day."""
    return int(tx.value(_TODAY, account=account, since=tx.now - DAY))


async def sweep(store: Store) -> None:
    """Forgets who was answered longer than `AGAIN` ago, in steps of the bulk lane. Raises Temporary."""
    await store.run(_drop_lost, bulk=True)
    while await store.run(partial(_forget, before=store.clock.now() - AGAIN), bulk=True) == STEP:
        pass


def _drop_lost(tx: Transaction) -> None:
    tx.run(_DROP_LOST)


def _forget(tx: Transaction, before: int) -> int:
    return tx.run(_FORGET, before=before, step=STEP)


def _due(
    account: int, sender: str, recipient: str, reverse_path: str, received: int, submitted: int, *body: int
) -> Due:
    return Due(account, sender, recipient, reverse_path, received, bool(submitted), Body(*body))
