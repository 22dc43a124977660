"""When a failed attempt is made again (`[retry]`): soon at first, then after twice the time, up to the longest."""

from __future__ import annotations

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Retry

_MOST_DOUBLINGS = 30


def delay(attempts: int, retry: Retry, randomness: Randomness) -> int:
    """Returns the µs to wait after attempt number ``attempts``, which is counted from 1.

    Up to a fifth of them is left out at random, so that waves of attempts come apart.
    """
    seconds = min(retry.first * 2 ** min(attempts - 1, _MOST_DOUBLINGS), retry.longest)
    whole = int(seconds * SECOND)
    return whole - randomness.below(whole // 5 + 1)
