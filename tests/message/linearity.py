"""Whether a reader's time grows with its input and no faster: the times of one, two, four and eight times the size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# Eight times the size takes eight times as long, sixty-four times where time grows with the square. Between them there
# is room for what else the machine does, and for memory that does not fit into a cache any more.
MOST: Final = 24.0
_TRIES: Final = 5


def assert_linear(read: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> None:
    """``make`` gives an input of about as many octets as it is asked for."""
    small = _best(read, make(size))
    for times in (2, 4, 8):
        data = make(size * times)
        ratio = _best(read, data) / small
        assert ratio < MOST * times / 8, f"{len(data)} octets take {ratio:.0f} times as long as {size}"


def _best(read: Callable[[bytes], object], data: bytes) -> float:
    """Of some tries: what the reader needs when nobody else wants the processor."""
    best = float("inf")
    for _ in range(_TRIES):
        start = time.perf_counter()
        read(data)
        best = min(best, time.perf_counter() - start)
    return best
