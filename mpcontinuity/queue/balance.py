"""What became of the mail that an outage left owed: for the report of its recovery. Work for one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from mpcontinuity.model.identifier import first_at
from mpcontinuity.model.owed import IN_DOUBT, OUTCOMES, OWED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST_USERS = 100  # that a balance tells by name, those with most mail first: a report is read by people

_STATES = Statement(
    """SELECT COALESCE(account.address, lower(owed.recipient)), owed.state, COUNT(*),
        MAX(CASE WHEN owed.state = 'delivered' THEN owed.ended - owed.received ELSE 0 END)
    FROM owed LEFT JOIN account ON account.id = owed.account
    WHERE owed.id >= :first AND owed.id < :last AND owed.domain = :domain GROUP BY 1, 2"""
)
_OF_ACCOUNT = Statement("SELECT state, COUNT(*) FROM owed WHERE account = :account AND id >= :first GROUP BY state")
_WAITING = Statement(
    "SELECT COUNT(*) FROM owed WHERE account = :account AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')"
)
# Who has a token is sending it, or waits for home's late reply.
_UNTRIED = Statement(
    """SELECT 1 FROM owed WHERE domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    AND id >= :first AND id < :last AND (attempts = 0 OR token <> 0) LIMIT 1"""
)


class Sums(msgspec.Struct, frozen=True):
    """How many messages were taken in for a user, and how many of them came to each end.

    What is still open is ``owed``, but for what is ``in_doubt``. ``taken_in`` is the sum of all others.
    """

    user: str
    taken_in: int = 0
    delivered: int = 0
    deleted: int = 0
    failed: int = 0
    expired: int = 0
    released: int = 0
    in_doubt: int = 0
    owed: int = 0


class Balance(msgspec.Struct, frozen=True):
    """What became of all that was taken in within a time: in sum, and for each of the MOST_USERS with most of it.

    ``more_users`` is how many others there are. ``longest_wait`` is the longest time from taking in to delivery, in µs.
    """

    total: Sums
    users: list[Sums]
    more_users: int
    longest_wait: int


def balance(tx: Transaction, domain: int, since: int, until: int) -> Balance:
    """Returns the balance of what was taken in for a domain from ``since`` to ``until`` (µs)."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    longest = 0
    for user, state, messages, wait in tx.all(_STATES, domain=domain, first=first_at(since), last=first_at(until)):
        counts[user][state if state in (*OUTCOMES, IN_DOUBT) else OWED] += messages
        longest = max(longest, wait)
    users = sorted(
        (_sums(user, counted) for user, counted in counts.items()), key=lambda one: (-one.taken_in, one.user)
    )
    total = _sums("total", sum(counts.values(), Counter()))
    return Balance(total, users[:MOST_USERS], max(len(users) - MOST_USERS, 0), longest)


def of_account(tx: Transaction, account: int, since: int) -> Sums:
    """Returns what became of all that was taken in for one user at ``since`` (µs) or later."""
    counted: Counter[str] = Counter()
    for state, messages in tx.all(_OF_ACCOUNT, account=account, first=first_at(since)):
        counted[state if state in (*OUTCOMES, IN_DOUBT) else OWED] += messages
    return _sums("", counted)


def waiting(tx: Transaction, account: int) -> int:
    """Returns how many messages of a user home is still owed."""
    return int(tx.value(_WAITING, account=account))


def _sums(user: str, counted: Counter[str]) -> Sums:
    return Sums(user, counted.total(), **counted)


def untried(tx: Transaction, domain: int, since: int, until: int) -> bool:
    """Returns whether anything of what was taken in within that time was not tried yet, or is being tried now."""
    return tx.one(_UNTRIED, domain=domain, first=first_at(since), last=first_at(until)) is not None
