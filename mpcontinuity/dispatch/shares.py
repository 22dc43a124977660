"""Who may have how many of the lanes, so that nobody's destinations, slow or many, keep others' mail from theirs.

A destination that answers holds a lane for the time that its mail takes. One that does not holds it for PROMPT seconds,
and then goes on beside the lanes, of which there is a bounded number too; what would go beyond that is put off.
"""

from __future__ import annotations

from collections import Counter

from mpcontinuity.queue.outgoing import REPORTS

MOST_LANES = 1200  # at work: each may hold some sessions, and a message or two in memory
MOST_ASIDE = 1200  # messages that wait for slow hosts
# Of one user, or of one domain's home server. Who uses that up waits for lanes; there is room for others beside it and
# all reports, and what answers promptly gives its lane back within a second or two.
OF_ONE = 750
# Strangers make reports happen, so these never take what mail of users needs.
OF_REPORTS = 250

PROMPT = 5.0  # seconds without a sign of the next host: twice what a busy one takes, a sixth of a greylister's greeting


class Shares:
    """In the reactor thread, one per process. A share is named by the column of `outgoing`."""

    def __init__(self) -> None:
        self._lanes: Counter[int] = Counter()
        self._aside: Counter[int] = Counter()

    @property
    def all_taken(self) -> bool:
        return self._lanes.total() >= MOST_LANES

    @property
    def used_up(self) -> list[int]:
        """The shares that get no lane now."""
        return [share for share in self._lanes.keys() | self._aside.keys() if not self.admits(share)]

    @property
    def aside(self) -> int:
        return self._aside.total()

    def admits(self, share: int) -> bool:
        """Whether one more lane may begin. What cannot be given up any more, and what is given up and not closed yet,
        may go beyond what has room aside; then the share waits for it."""
        most = _most(share)
        return not self.all_taken and self._lanes[share] < most and self._aside[share] < 2 * most

    def room_aside(self, share: int) -> bool:
        """Whether one more of its messages may wait for a slow host."""
        return self._aside.total() < MOST_ASIDE and self._aside[share] < _most(share)

    def take(self, share: int) -> None:
        """A lane begins, or is prompt again."""
        self._lanes[share] += 1

    def give_back(self, share: int) -> None:
        """It has ended, or all that it waits for is aside."""
        _less(self._lanes, share)

    def put_aside(self, share: int) -> None:
        self._aside[share] += 1

    def take_back(self, share: int) -> None:
        """What was aside has ended."""
        _less(self._aside, share)


def _most(share: int) -> int:
    return OF_REPORTS if share == REPORTS else OF_ONE


def _less(counts: Counter[int], share: int) -> None:
    counts[share] -= 1
    if not counts[share]:
        del counts[share]
