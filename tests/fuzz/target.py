"""What is fuzzed: a function of octets that must return, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """``run`` raises on a fault and on nothing else; ``seeds`` are where the search begins."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def pieces(data: bytes) -> Iterator[bytes]:
    """A stream as a peer might cut it: the first octet is the length of the pieces, 0 for one piece."""
    length, stream = data[:1], data[1:]
    step = (length[0] if length else 0) or len(stream) or 1
    for start in range(0, len(stream), step):
        yield stream[start : start + step]
