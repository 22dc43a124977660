"""How much is owed to each home server. Only index entries are read, never a row."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.model.identifier import moment_of
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is owed to the home server of one domain."""

    domain: int
    owed: int
    oldest: int  # µs, when it was taken in


_BACKLOG = Statement(
    """SELECT domain, COUNT(*), MIN(id) FROM owed
    WHERE domain IN (SELECT id FROM domain) AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    GROUP BY domain"""
)


def backlog(tx: Transaction) -> list[Backlog]:
    """Returns the backlog of each domain to whose home server anything is owed."""
    return [Backlog(domain, owed, moment_of(oldest)) for domain, owed, oldest in tx.all(_BACKLOG)]
