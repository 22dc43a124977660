"""How long the header of a message may be. Many parts read a header whole, but hardly any part a body."""

from __future__ import annotations

import re
from typing import Final

# Octets. Ten thousand recipients with their names fit, and whoever lists a mailbox, signs or checks a message holds so
# much of it in memory. Others take less: 64 KiB (Postfix keeps no more of it), 256 KiB (Exchange), 500 KiB (Gmail).
LONGEST: Final = 1 << 20

_END = re.compile(rb"\n\r?\n")
_BLANK: Final = (b"\n", b"\r\n")


class Measure:
    """Measures the header of a message that arrives in pieces.

    ``too_long`` says whether it is longer than it may be.
    """

    def __init__(self) -> None:
        self.too_long = False
        self._octets = 0
        self._within = True
        self._tail = b"\n"  # how it ended so far, as much as matters: it begins at the beginning of a line

    def feed(self, data: bytes) -> bool:
        """Takes the next piece, and returns whether the header is longer than it may be."""
        if self._within and data:
            # No more is searched than may be.
            stream = self._tail + data[: LONGEST - self._octets + 1]
            end = _END.search(stream)
            self._within = end is None
            self._octets += (end.end() if end else len(stream)) - len(self._tail)
            self._tail = stream[-2:]
            self.too_long = self._octets > LONGEST
            self._within = self._within and not self.too_long
        return self.too_long
