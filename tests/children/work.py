"""A kind of work for tests."""

from __future__ import annotations

import os
import time


class Work:
    def __init__(self, argument: bytes) -> None:
        self._octets = len(argument)

    def feed(self, piece: bytes) -> bool:
        self._octets += len(piece)
        return piece != b"last"

    def ask(self, question: bytes) -> bytes:
        if question == b"sleep":
            time.sleep(60)
        elif question == b"memory":
            bytearray(1 << 30)
        elif question == b"fail":
            raise ValueError("no")
        elif question == b"secrets":
            return " ".join(sorted(os.environ)).encode()
        elif question == b"files":
            return " ".join(sorted(os.listdir("/proc/self/fd"))).encode()
        return b"%d %d" % (self._octets, os.getpid())
