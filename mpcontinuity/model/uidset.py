"""Sets of message numbers or UIDs, as IMAP writes them (RFC 9051 §4.1.1).

A set is a tuple of ranges; a range is its first and its last number, both included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

STAR = 0  # `*` as parsed: the largest number in use, known only when the set is applied

Range = tuple[int, int]


def parse(text: bytes) -> tuple[Range, ...]:
    """Returns the ranges as they were written: `*` is STAR, and order and overlaps are kept, but none comes twice.
    Raises ValueError."""
    ranges = []
    for part in dict.fromkeys(text.split(b",")):
        first, colon, last = part.partition(b":")
        ranges.append((_number(first), _number(last) if colon else _number(first)))
    return tuple(ranges)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or text.startswith(b"0") or len(text) > 10 or int(text) > 0xFFFFFFFF:
        raise ValueError("not a message number")
    return int(text)


def resolve(ranges: Iterable[Range], largest: int) -> tuple[Range, ...]:
    """Returns the ranges sorted and merged, each with its smaller number first, and STAR replaced by ``largest``.

    ``559:*`` with a largest number of 12 means 12 to 559, and so contains 12 (RFC 9051 §6.4.9).
    """
    turned = sorted((min(a, b), max(a, b)) for a, b in ((first or largest, last or largest) for first, last in ranges))
    merged: list[Range] = []
    for first, last in turned:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def of(numbers: Iterable[int]) -> tuple[Range, ...]:
    """Gathers numbers into ranges."""
    return resolve(((number, number) for number in numbers), 0)


def numbers(ranges: Iterable[Range]) -> Iterator[int]:
    """Yields each number of the ranges."""
    for first, last in ranges:
        yield from range(first, last + 1)


def show(ranges: Sequence[Range]) -> bytes:
    """Returns the ranges as they are sent to a client, such as ``1:3,7``."""
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in ranges)
