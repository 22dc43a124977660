"""Whether a reader's time grows with its input and no faster: the times of one, two, four and eight times the size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# Eight times the size takes eight times as long, sixty-four times where time grows with the square. Between them there
# is room for what else the machine does, and for memory that does not fit into a cache any more.
MOST: Final = 24.0
_TRIES: Final = 3


def assert_linear(read: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> None:
    """``make`` gives an input of about as many octets as it is asked for."""
    ratios = _ratios(read, make, size)
    if max(ratios) >= MOST:  # the machine may have been busy: it is believed when it is so again
        ratios = _ratios(read, make, size)
    assert max(ratios) < MOST, f"two, four and eight times {size} octets take {ratios} times as long"


def _ratios(read: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> list[float]:
    once = _best(read, make(size))
    return [_best(read, make(size * times)) / once for times in (2, 4, 8)]


def _best(read: Callable[[bytes], object], data: bytes) -> float:
    """Of some tries, in the time of this thread: others may want the processor meanwhile."""
    best = float("inf")
    for _ in range(_TRIES):
        start = time.thread_time()
        read(data)
        best = min(best, time.thread_time() - start)
    return best
