"""Sets of message numbers or UIDs, as IMAP writes them (RFC 9051 §4.1.1).

A set is a tuple of ranges; a range is its first and its last number, both included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

STAR = 0  # `*` as parsed: the largest number in use, known only when the set is applied

Range = tuple[int, int]

_LARGEST = 0xFFFFFFFF
_NUMBER = rb"(?:\*|[1-9][0-9]{0,9}+)"
_SET = re.compile(rb"%b(?::%b)?+(?:,%b(?::%b)?+)*+" % ((_NUMBER,) * 4))


def parse(text: bytes) -> tuple[Range, ...]:
    """Returns the ranges as they were written: `*` is STAR, and order and overlaps are kept, but none comes twice.
    Raises ValueError."""
    if _SET.fullmatch(text) is None:
        raise ValueError("not a set of numbers")
    ranges: list[Range] = []
    for part in dict.fromkeys(text.replace(b"*", b"%d" % STAR).decode("ascii").split(",")):
        first, colon, last = part.partition(":")
        number = int(first)
        ranges.append((number, int(last) if colon else number))
    if max(map(max, ranges)) > _LARGEST:
        raise ValueError("not a message number")
    return tuple(ranges)


def resolve(ranges: Iterable[Range], largest: int) -> tuple[Range, ...]:
    """Returns the ranges sorted and merged, each with its smaller number first, and STAR replaced by ``largest``.

    ``559:*`` with a largest number of 12 means 12 to 559, and so contains 12 (RFC 9051 §6.4.9).
    """
    known = [(first or largest, last or largest) for first, last in ranges]
    return merge(sorted([(first, last) if first <= last else (last, first) for first, last in known]))


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Returns ranges that are sorted already with those joined that overlap or follow each other."""
    merged: list[Range] = []
    begin = end = -1  # of the range that may still grow
    for first, last in ranges:
        if first > end + 1 or end < 0:
            merged.append((begin, end))
            begin, end = first, last
        elif last > end:
            end = last
    return (*merged[1:], (begin, end)) if merged else ()


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
