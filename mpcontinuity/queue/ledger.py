"""The ledger: taken in = delivered + deleted + failed + expired + released + owed, per user, at every moment.

``taken_in`` is counted in the account when a row is taken in, and the other columns are counted from the rows, so that
a row that was lost or doubled shows as a sum that does not add up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mpcontinuity.accounts import counters
from mpcontinuity.model.owed import OUTCOMES, OWED
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction


class LedgerLine(msgspec.Struct, frozen=True):
    """A row of `report`: of a user, of an address that is owed to without being registered, or of the domain
    ('total')."""

    user: str
    taken_in: int = 0
    delivered: int = 0
    deleted: int = 0
    failed: int = 0
    expired: int = 0
    released: int = 0
    owed: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether taken in is the sum of the other columns."""
        ended = self.delivered + self.deleted + self.failed + self.expired + self.released
        return self.taken_in == ended + self.owed


_ACCOUNTS = Statement(
    """SELECT id, address, status = 'removed', taken_in,
        folded_delivered, folded_deleted, folded_failed, folded_expired, folded_released
    FROM account WHERE domain = :domain ORDER BY address, id"""
)
_ROWS = Statement(
    """SELECT account, CASE WHEN account IS NULL THEN lower(recipient) ELSE '' END AS unregistered, state, COUNT(*)
    FROM owed WHERE domain = :domain AND received >= :since GROUP BY 1, 2, 3 ORDER BY 2"""
)
_COUNT = Statement("SELECT COUNT(*) FROM owed WHERE account = :account")


def report(tx: Transaction, domain: int, since: int = 0) -> list[LedgerLine]:
    """Returns a line for each user, then for each unregistered address, then the total.

    With ``since`` (µs) only rows received since then are counted; the counters can be checked for the whole ledger
    only.
    """
    counts: defaultdict[int | str, Counter[str]] = defaultdict(Counter)  # by account, or by unregistered address
    for account, recipient, state, rows in tx.all(_ROWS, domain=domain, since=since):
        # Every open state is owed.
        counts[recipient if account is None else account][state if state in OUTCOMES else OWED] += rows
    accounts = tx.all(_ACCOUNTS, domain=domain)
    names = _names([(address, bool(removed)) for _, address, removed, *_ in accounts])
    lines = []
    for (account, _, _, taken_in, *folded), name in zip(accounts, names, strict=True):
        counted = counts.pop(account, Counter())
        if not since:
            counted.update(dict(zip(OUTCOMES, folded, strict=True)))
        lines.append(LedgerLine(name, counted.total() if since else taken_in, **counted))
    taken_in = sum(line.taken_in for line in lines)
    known = {address.lower() for _, address, *_ in accounts}
    for recipient, counted in counts.items():
        assert isinstance(recipient, str)  # an account that has rows has a row itself
        name = f"{recipient} (without a mailbox)" if recipient in known else recipient
        lines.append(LedgerLine(name, counted.total(), **counted))
    sums = [sum(column) for column in zip(*map(_numbers, lines), strict=True)]
    total = LedgerLine("total", *sums)
    if not since:
        taken_in += meta.number(tx, unregistered_counter(domain))
        total = msgspec.structs.replace(total, taken_in=taken_in)
    return [*lines, total]


def missing(tx: Transaction, account: int) -> int:
    """Returns how many messages were taken in for a user of which no row tells what became of them: 0 where the user's
    line of `report` adds up."""
    return counters.unfolded(tx, account) - int(tx.value(_COUNT, account=account))


def _names(accounts: Sequence[tuple[str, bool]]) -> list[str]:
    """One for each account, by address and whether it was removed, the oldest first: who was removed and made again has
    two lines."""
    accounts_of = Counter(address.lower() for address, _ in accounts)
    removed_of = Counter(address.lower() for address, removed in accounts if removed)
    seen: Counter[str] = Counter()
    names = []
    for address, removed in accounts:
        key = address.lower()
        seen[key] += removed
        which = f" {seen[key]}" if removed_of[key] > 1 else ""
        names.append(f"{address} (removed{which})" if removed and accounts_of[key] > 1 else address)
    return names


def _numbers(line: LedgerLine) -> tuple[Any, ...]:
    return msgspec.structs.astuple(line)[1:]


def adds_up(lines: Iterable[LedgerLine]) -> bool:
    """Returns whether every line adds up, which is the exit status of `report`."""
    return all(line.adds_up for line in lines)
