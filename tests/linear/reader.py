"""What is tried: a function of octets, and what they are made of."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

KIB = 1024

# What separates, quotes, nests, folds, pads or announces somewhere: repeated, each was a fault of some reader once.
UNITS = (
    *(b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n ", b"\n\r\n", b"\0", b"a", b"1", b"-", b"\xff", b"\xc3\xa4"),
    *(b"(", b")", b"()", b"(a", b"<", b">", b"<>", b"@", b",", b";", b":", b"=", b'"', b'""', b"\\", b'\\"', b"["),
    *(b"a ", b" a", b"a.", b"a,", b"a:", b"a: b\r\n", b"a=", b"a\r\n", b"a\r\n\t", b";a=", b'"a" ', b"\\a", b"/1"),
    *(
        b"*",
        b"%",
        b"?",
        b"=?",
        b"?=",
        b"=?a?q?",
        b"=?a?q?b?= ",
        b"&",
        b"+",
        b"--",
        b"\r\n--",
        b"--a\r\n",
        b"{",
        b"{0+}\r\n",
    ),
)


Hostile = tuple[bytes, bytes, bytes]


@dataclass(frozen=True)
class Reader:
    """``run`` reads ``begin + unit * n + end``; ``most``: the octets that can come, all told, or enough to tell."""

    run: Callable[[bytes], object]
    begins: tuple[bytes, ...] = (b"",)
    units: tuple[bytes, ...] = ()  # what this one is made of; with UNITS
    ends: tuple[bytes, ...] = (b"",)
    most: int = 64 * KIB

    def hostile(self) -> Iterator[Hostile]:
        for begin in self.begins:
            for unit in (*UNITS, *self.units):
                yield begin, unit, self.ends[0]
            for end in self.ends[1:]:
                for unit in (*self.units, *UNITS[:13]):
                    yield begin, unit, end


def made(hostile: Hostile, size: int) -> bytes:
    begin, unit, end = hostile
    return begin + unit * max((size - len(begin) - len(end)) // len(unit), 1) + end


def cost(run: Callable[[bytes], object], data: bytes, times: int = 1) -> float:
    """Seconds of this thread, the best of so many runs: what else the machine does counts little."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(times):
            begun = time.thread_time()
            run(data)
            best = min(best, time.thread_time() - begun)
    finally:
        gc.enable()
    return best
