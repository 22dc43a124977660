"""Every reader of the table, at 1, 2, 4 and 8 times the size."""

from __future__ import annotations

import math

import pytest

from tests.linear.reader import Hostile, Reader, cost, made
from tests.linear.table import READERS

# The power of the size that time grows by, over all four: 1 is in proportion, 2 a square; caches make it a little more.
_MOST = 1.4
_QUICK = 0.005  # s: what takes less for all that can come is not looked at any closer


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_time_in_proportion(name: str) -> None:
    reader = READERS[name]
    for hostile in reader.hostile():
        if cost(reader.run, made(hostile, reader.most)) > _QUICK:
            # Measured again, and better, before it is believed.
            powers = (_power(reader, hostile, times) for times in (1, 3, 5))
            assert any(power <= _MOST for power in powers), f"{hostile}: {_power(reader, hostile, 3):.1f}"


def _power(reader: Reader, hostile: Hostile, times: int) -> float:
    """The slope of the line through all four in a picture whose scales are logarithmic."""
    ys = [math.log(cost(reader.run, made(hostile, reader.most // parts), times)) for parts in (8, 4, 2, 1)]
    return sum(x * y for x, y in zip((-1.5, -0.5, 0.5, 1.5), ys, strict=True)) / 5 / math.log(2)
