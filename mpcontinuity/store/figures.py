"""What the store did, as plain numbers: for /metrics, /readyz and `status`. Cheap enough for every transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

# A transaction changes at most so many rows and lasts at most so long (design 4): the others wait for it.
MOST_ROWS: Final = 1000
LONGEST_INTERACTIVE: Final = 0.020  # s
# A step of the bulk lane may take what a step of a reader may: it is between two groups of interactive ones, and
# both together have to stay below the 100 ms that nobody may wait.
LONGEST_BULK: Final = 0.050  # s

# Upper bounds of the buckets that sizes of groups are counted in; one more holds what is above.
GROUP_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_SLOT = 10.0  # s; the last minute is seven of them at most: what is under way and the six before
_SLOTS = 6
_SAID_AGAIN = 60.0  # s until the same work is logged once more

_log = Logger()


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest of some transactions or commits: seconds, and the name of its work."""

    seconds: float = 0.0
    name: str = ""


class LastMinute:
    """Remembers the longest of the last minute (up to seventy seconds), and since the start, in seven values."""

    def __init__(self) -> None:
        self.ever = Longest()
        self._slots: dict[int, Longest] = {}

    def put(self, now: float, seconds: float, work: Callable[..., Any]) -> None:
        """Takes one that lasted ``seconds``; ``now`` is in seconds of any clock that only goes forward."""
        slot = int(now // _SLOT)
        known = self._slots.get(slot)
        if known is not None and seconds <= known.seconds:
            return
        longest = self._slots[slot] = Longest(seconds, name(work))
        if len(self._slots) > _SLOTS + 1:
            self._slots = {number: kept for number, kept in self._slots.items() if number >= slot - _SLOTS}
        if seconds > self.ever.seconds:
            self.ever = longest

    def longest(self, now: float) -> Longest:
        """Returns the longest of the minute before ``now``."""
        first = int(now // _SLOT) - _SLOTS
        recent = [longest for slot, longest in list(self._slots.items()) if slot >= first]
        return max(recent, key=lambda longest: longest.seconds, default=Longest())


class Figures:
    """What the store did, as counters that only rise.

    The store's threads write them, and anybody reads them; a reader may see one a moment before another. ``monotonic``
    measures durations in seconds; it decides nothing, so that simulated time has no use for it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.perf_counter) -> None:
        self.monotonic = monotonic
        self.transactions = 0  # pieces of work that were committed, those of a group counted each
        self.failed = 0  # pieces of work that raised, or whose commit failed
        self.conflicts = 0  # transactions that the database asked to repeat (PostgreSQL: 40001, 40P01)
        self.commits = 0
        self.failed_commits = 0
        self.group_sizes = [0] * (len(GROUP_SIZES) + 1)  # commits by the number of pieces of work in them
        self.commit_seconds = 0.0  # all commits together, begin to end
        self.rows_changed = 0
        self.bulk_steps = 0
        self.above_limit = 0  # transactions that broke design 4's bound
        self.reads = 0
        self.longest_read = 0.0  # s, since the start
        self.wal_octets = 0  # SQLite's, when a checkpoint last looked
        self.checkpoints = 0
        self.restarts = 0  # checkpoints for which the writer stopped
        self.syncs = 0  # of packs
        self.appended = 0  # messages
        self.appended_octets = 0
        self.waiting: Callable[[], int] = lambda: 0  # pieces of work that wait for the writer
        self.spooled: Callable[[], int] = lambda: 0  # octets of messages that are being received
        self.last_commit = 0.0  # `monotonic`, 0: none yet
        self.commit_begun = 0.0  # `monotonic` of the one under way, 0: none; one that stays is a disk that hangs
        self.longest_transactions = LastMinute()
        self.longest_commits = LastMinute()  # named by the first work of the group
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()  # PostgreSQL has several that write

    def transaction(
        self, work: Callable[..., Any], seconds: float, rows: int, *, items: int = 1, bulk: bool = False
    ) -> None:
        """Counts work that was done for ``items`` callers at once; ``rows`` are what it changed."""
        with self._lock:
            self.transactions += items
            self.rows_changed += rows
            self.bulk_steps += bulk
            self.longest_transactions.put(self.monotonic(), seconds, work)
            # What is done for many at once is bounded by its share for each.
            if rows <= MOST_ROWS * items and seconds <= (LONGEST_BULK if bulk else LONGEST_INTERACTIVE) * items:
                return
            self.above_limit += 1
        self._say(name(work), seconds, rows, items)

    def commit(self, jobs: int, seconds: float, work: Callable[..., Any]) -> None:
        """Counts a commit of ``jobs`` jobs that took ``seconds`` from BEGIN on. ``work`` is that of the first job."""
        with self._lock:
            self.commits += 1
            self.commit_seconds += seconds
            self.group_sizes[_bucket(jobs)] += 1
            self.last_commit = self.monotonic()
            self.longest_commits.put(self.last_commit, seconds, work)

    def read(self, seconds: float) -> None:
        """Counts a read transaction of so many seconds."""
        with self._lock:
            self.reads += 1
            self.longest_read = max(self.longest_read, seconds)

    def longest_transaction(self) -> Longest:
        """Returns the longest work of the last minute; the time of its commit is not in it."""
        return self.longest_transactions.longest(self.monotonic())

    def longest_commit(self) -> Longest:
        """Returns the longest commit of the last minute: of a group, from its begin until it is on the disk."""
        return self.longest_commits.longest(self.monotonic())

    def _say(self, name: str, seconds: float, rows: int, items: int) -> None:
        now = self.monotonic()
        if now - self._said.get(name, -_SAID_AGAIN) < _SAID_AGAIN:
            return
        self._said[name] = now
        _log.warn(
            "transaction {name} took {milliseconds:.0f} ms and changed {rows} rows for {items}: above its limit",
            name=name,
            milliseconds=seconds * 1000,
            rows=rows,
            items=items,
        )


def name(work: Callable[..., Any]) -> str:
    """Returns where the work is defined, as ``mailbox.append.append``.

    Of work that is handed to other work by a partial, it is the one that is handed over.
    """
    while isinstance(work, partial):
        work = work.args[0] if work.args and callable(work.args[0]) else work.func
    module = getattr(work, "__module__", "").removeprefix("mpcontinuity.")
    return f"{module}.{getattr(work, '__qualname__', type(work).__qualname__)}"


def _bucket(size: int) -> int:
    for index, bound in enumerate(GROUP_SIZES):
        if size <= bound:
            return index
    return len(GROUP_SIZES)
