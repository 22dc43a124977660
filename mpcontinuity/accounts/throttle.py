"""Guessing made slow: failed logins of one address from one client host (``[limits] login_failures``)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from mpcontinuity.model.clock import MINUTE, SECOND, Clock

_FORGOTTEN_AFTER = 15 * MINUTE
_LONGEST_DELAY = 30.0
_LONGEST_WAIT = 60.0  # of attempts that queue behind each other
_CAPACITY = 100_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: int = 0
    next: int = 0  # when the next delayed attempt may run
    pending: set[bytes] = field(default_factory=set)  # attempts that run now, by their secret's digest


class Throttle:
    """The first ``limit`` failures are free, the next ``limit`` cost a delay that doubles, then it is a refusal.

    Kept per (address, host), so that nobody can lock out somebody else's right password from elsewhere.
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def begin(self, address: str, host: str, digest: bytes, *, exempt: bool = False) -> float | None:
        """Seconds to wait before the attempt is looked at; None refuses it. ``exempt`` hosts are only slowed down."""
        now = self._clock.now()
        row = self._row(address, host, now)
        row.pending.add(digest)  # parallel guesses count before they have failed
        tries = row.count + len(row.pending) - 1
        if tries < self._limit:
            return 0.0
        refused = row.count >= 2 * self._limit and not exempt
        delay = min(2.0 ** min(tries - self._limit, 10), _LONGEST_DELAY)
        due = max(row.next, now) + round(delay * SECOND)
        if refused or due - now > _LONGEST_WAIT * SECOND:
            row.pending.discard(digest)
            return None
        row.next = due
        return (due - now) / SECOND

    def succeeded(self, address: str, host: str) -> None:
        self._failures.pop((address, host), None)

    def failed(self, address: str, host: str, digest: bytes) -> None:
        now = self._clock.now()
        row = self._row(address, host, now)
        row.pending.discard(digest)
        row.count += 1
        row.last = now

    def abandoned(self, address: str, host: str, digest: bytes) -> None:
        """The attempt came to no result."""
        row = self._failures.get((address, host))
        if row is not None:
            row.pending.discard(digest)

    def _row(self, address: str, host: str, now: int) -> _Failures:
        key = (address, host)
        row = self._failures.get(key)
        if row is None or (row.last and now - row.last > _FORGOTTEN_AFTER):
            row = self._failures[key] = _Failures(pending=row.pending if row else set())
        self._failures.move_to_end(key)
        if len(self._failures) > _CAPACITY:
            self._failures.popitem(last=False)
        return row
