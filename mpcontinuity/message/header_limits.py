"""How much the header of a message may be. Many parts read a header whole, but hardly any part a body."""

from __future__ import annotations

import re
from typing import Final

# Octets. Ten thousand recipients with their names fit, and whoever lists a mailbox, signs or checks a message holds so
# much of it in memory. Others take less: 64 KiB (Postfix keeps no more of it), 256 KiB (Exchange), 500 KiB (Gmail).
LONGEST: Final = 1 << 20
# Reading a header costs by the field: 240,000 of four octets, from twelve hosts at once, held the reactor for 0.27 s.
# Mail that passed through dozens of servers and lists, with an ARC set of each, has some two hundred.
MOST_FIELDS: Final = 2000
LIMITS: Final = f"a header has {LONGEST} octets and {MOST_FIELDS} fields at most"

_END = re.compile(rb"\n\r?\n")
_BLANK: Final = (b"\n", b"\r\n")


class HeaderMeasure:
    """Measures the header of a message that arrives in pieces.

    ``too_long`` says whether it is above one of the limits.
    """

    def __init__(self) -> None:
        self.too_long = False
        self._octets = 0
        self._lines = self._colons = 0
        self._within = True
        self._tail = b"\n"  # how it ended so far, as much as matters: it begins at the beginning of a line

    def feed(self, data: bytes) -> bool:
        """Takes the next piece of the message, and returns whether the header is above one of the limits."""
        if self._within and data:
            # No more is searched than may be.
            stream = self._tail + data[: LONGEST - self._octets + 1]
            end = _END.search(stream)
            self._within = end is None
            stop = end.end() if end else len(stream)
            self._octets += stop - len(self._tail)
            self._count_fields(stream[:stop])
            self._tail = stream[-2:]
            self.too_long = self._octets > LONGEST or min(self._lines, self._colons) > MOST_FIELDS
            self._within = self._within and not self.too_long
        return self.too_long

    def _count_fields(self, stream: bytes) -> None:
        """Counts colons, and lines that are neither folds (RFC 5322 §2.2.3) nor blank: there are no more fields than
        either. A long text that a device sends without any header has lines enough, but no colon in each of them.

        Lines that begin behind the last two octets are counted with the next piece, which begins with these.
        """
        self._colons += stream.count(b":", len(self._tail))
        lines = stream.count(b"\n", 0, -2)
        if lines:
            folds = stream.count(b"\n ", 0, -1) + stream.count(b"\n\t", 0, -1)
            self._lines += lines - folds - stream.count(b"\n\r\n")
