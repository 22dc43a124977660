"""64-bit identifiers of messages, owed rows and jobs, in the order of time.

An id has 51 bits of microseconds since 2020, which last until 2091, and 12 bits that a process draws at its start and
that keep two processes apart; with random bits in every id two busy processes would meet every few minutes. The sign
bit is 0, so that SQLite and PostgreSQL store an id as an ordinary integer. People see an id as 13 characters of
Crockford's base 32, which sort as the numbers do and have no letter that looks like a digit.
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
LAST = (1 << 63) - 1  # no id is above it


class Identifiers:
    """Hands out ids that rise, even while the clock stands still or steps back."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._node = int.from_bytes(randomness.bytes(2)) >> 16 - _NODE_BITS
        self._last = 0
        self._lock = Lock()  # the reactor and the writer thread both ask

    def next(self) -> int:
        """Returns a new id. Any thread may call this."""
        with self._lock:
            fresh = (self._clock.now() - _EPOCH) << _NODE_BITS | self._node
            self._last = max(fresh, self._last + (1 << _NODE_BITS))
            return self._last


def first_at(time: int) -> int:
    """Returns the smallest id of a moment in µs: no id that was handed out since then is smaller."""
    return min(max(time - _EPOCH, 0) << _NODE_BITS, LAST)


def moment_of(identifier: int) -> int:
    """Returns when an id was handed out, in µs, or a little later where the clock had stepped back."""
    return (identifier >> _NODE_BITS) + _EPOCH


def process_of(identifier: int) -> int:
    """Returns the bits that an id has in common with all ids of the same process."""
    return identifier & (1 << _NODE_BITS) - 1


def show(identifier: int) -> str:
    """Returns the 13 characters of an id."""
    return _ALPHABET[identifier >> 60] + "".join([_PAIRS[identifier >> shift & 1023] for shift in _SHIFTS])


def parse(text: str) -> int:
    """Returns the id that 13 characters stand for, in either case. Raises ValueError."""
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
