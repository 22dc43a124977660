"""When a failed attempt is repeated (`[retry]`): first soon, then twice as long each time, up to the longest."""

from __future__ import annotations

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Retry

_MOST_DOUBLINGS = 30


def delay(attempts: int, retry: Retry, randomness: Randomness) -> int:
    """µs after attempt number ``attempts`` (from 1); up to a fifth less at random, so that waves come apart."""
    seconds = min(retry.first * 2 ** min(attempts - 1, _MOST_DOUBLINGS), retry.longest)
    whole = int(seconds * SECOND)
    return whole - randomness.below(whole // 5 + 1)
