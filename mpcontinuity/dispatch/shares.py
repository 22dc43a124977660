"""Who may have how many of the lanes, so that nobody's destinations, slow or many, keep others' mail from theirs.

A destination that answers holds a lane for the time that its mail takes. One that does not holds it for PROMPT seconds.
Then its message is parked: it goes on without a lane. The number of parked messages is bounded too, and what would go
beyond it is put off.
"""

from __future__ import annotations

from collections import Counter

from mpcontinuity.queue.outgoing import REPORTS

MOST_LANES = 1200  # at work: each may hold some sessions, and a message or two in memory
MOST_PARKED = 1200  # messages that wait for slow hosts
# Of one user, or of one domain's home server. Who uses that up waits for lanes; there is room for others beside it and
# all reports, and what answers promptly gives its lane back within a second or two.
OF_ONE = 750
# Strangers make reports happen, so these never take what mail of users needs.
OF_REPORTS = 250

PROMPT = 5.0  # seconds without a sign of the next host: twice what a busy one takes, a sixth of a greylister's greeting


class Shares:
    """The lanes and parked messages of one process, by share. It lives in the reactor thread.

    A share is a user, a domain's home server, or all reports, as the column ``share`` of `outgoing` names them.
    """

    def __init__(self) -> None:
        self._lanes: Counter[int] = Counter()
        self._parked: Counter[int] = Counter()

    @property
    def all_taken(self) -> bool:
        """Whether there is no lane for anybody."""
        return self._lanes.total() >= MOST_LANES

    @property
    def used_up(self) -> list[int]:
        """Returns the shares that get no lane now."""
        return [share for share in self._lanes.keys() | self._parked.keys() if not self.admits(share)]

    @property
    def parked(self) -> int:
        """How many messages wait for slow hosts."""
        return self._parked.total()

    def admits(self, share: int) -> bool:
        """Returns whether one more lane of the share may begin.

        What cannot be given up any more, and what is given up and not closed yet, may go beyond the number that may be
        parked; then the share waits for it.
        """
        most = _most(share)
        return not self.all_taken and self._lanes[share] < most and self._parked[share] < 2 * most

    def may_park(self, share: int) -> bool:
        """Returns whether one more message of the share may wait for a slow host."""
        return self._parked.total() < MOST_PARKED and self._parked[share] < _most(share)

    def take(self, share: int) -> None:
        """Notes that a lane begins, or is prompt again."""
        self._lanes[share] += 1

    def give_back(self, share: int) -> None:
        """Notes that a lane has ended, or that all it waits for is parked."""
        _less(self._lanes, share)

    def park(self, share: int) -> None:
        """Notes that a message goes on without a lane."""
        self._parked[share] += 1

    def unpark(self, share: int) -> None:
        """Notes that a parked message has ended."""
        _less(self._parked, share)


def _most(share: int) -> int:
    return OF_REPORTS if share == REPORTS else OF_ONE


def _less(counts: Counter[int], share: int) -> None:
    counts[share] -= 1
    if not counts[share]:
        del counts[share]
