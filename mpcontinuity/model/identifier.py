"""64-bit, time-ordered identifiers of messages, owed rows and jobs.

51 bits of microseconds since 2020 (enough until 2091), then 12 bits of the process, drawn when it starts, that keep
two nodes apart: with random bits in every id two busy nodes would meet every few minutes. The sign bit stays clear, so
that SQLite and PostgreSQL hold one as an ordinary integer. Shown as 13 characters of Crockford's base 32, which sorts
as the number does and has no letter that reads as a digit.
"""

from __future__ import annotations

from threading import Lock

from mpcontinuity.model.clock import Clock
from mpcontinuity.model.randomness import Randomness

_EPOCH = 1_577_836_800_000_000  # 2020-01-01T00:00:00Z
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 13
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # by 10 bits
_SHIFTS = range(50, -1, -10)
_NODE_BITS = 12
_LAST = (1 << 63) - 1


class Identifiers:
    """Hands out rising ids, also when the clock stands still or steps back."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._node = int.from_bytes(randomness.bytes(2)) >> 16 - _NODE_BITS
        self._last = 0
        self._lock = Lock()  # the reactor and the writer thread both ask

    def next(self) -> int:
        with self._lock:
            fresh = (self._clock.now() - _EPOCH) << _NODE_BITS | self._node
            self._last = max(fresh, self._last + (1 << _NODE_BITS))
            return self._last


def first_at(time: int) -> int:
    """The smallest id of a moment in µs: whatever was numbered since then is not below it. After 2091: the last id."""
    return min(max(time - _EPOCH, 0) << _NODE_BITS, _LAST)


def moment_of(identifier: int) -> int:
    """When it was handed out, in µs; a little later where the clock had stepped back."""
    return (identifier >> _NODE_BITS) + _EPOCH


def process_of(identifier: int) -> int:
    """The bits that an id has in common with all that the same process draws."""
    return identifier & (1 << _NODE_BITS) - 1


def show(identifier: int) -> str:
    """The 13 characters of an id."""
    return _ALPHABET[identifier >> 60] + "".join([_PAIRS[identifier >> shift & 1023] for shift in _SHIFTS])


def parse(text: str) -> int:
    """The id behind 13 characters, in either case. Raises ValueError."""
    if len(text) != _LENGTH:
        raise ValueError(f"an id has {_LENGTH} characters: {text!r}")
    identifier = 0
    for character in text.lower():
        if character not in _VALUES:
            raise ValueError(f"{character!r} does not occur in an id: {text!r}")
        identifier = identifier << 5 | _VALUES[character]
    if identifier >= 1 << 63:
        raise ValueError(f"not an id: {text!r}")
    return identifier
