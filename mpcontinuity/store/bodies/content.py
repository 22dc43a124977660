"""A stored message as Content: checked against its CRC-32C wherever all of it is read."""

from __future__ import annotations

from collections.abc import Callable

import crc32c
from twisted.internet.defer import Deferred

from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt

# Up to this a message is read in one piece and held whole.
WHOLE = 256 * 1024


def check(body: Body, crc: int) -> None:
    """Raises Corrupt where the CRC is another; it names what an administrator needs to find the entry."""
    if crc != body.crc:
        raise corrupt(body, "does not match its checksum")


def corrupt(body: Body, what: str) -> Corrupt:
    """Returns the error that a message is damaged, which names what an administrator needs to find it."""
    where = f"pack {identifier.show(body.pack)} at {body.offset}"
    return Corrupt(f"message {identifier.show(body.id)} ({where}, {body.length} octets) {what}")


class Stored:
    """What `Bodies.content` gives: a message to be read in pieces, or whole after ``await load()``."""

    def __init__(self, body: Body, skip: int, read: Callable[[Body, int, int], Deferred[bytes]]) -> None:
        self.body = body
        self.whole: bytes | None = None
        self._skip = skip
        self._read = read
        self._next = 0  # how far it was read in sequence, and the CRC up to there
        self._crc = 0

    @property
    def length(self) -> int:
        """Is the number of octets."""
        return self.body.length - self._skip

    async def load(self) -> None:
        """Sets ``whole`` for a message of up to 256 KiB. Raises Corrupt."""
        if self.whole is None and self.body.length <= WHOLE:
            self.whole = (await self._read(self.body, 0, self.body.length))[self._skip :]

    async def read(self, offset: int, length: int) -> bytes:
        """Returns exactly that piece.

        Raises Corrupt; for a damaged message at the latest with its last piece, if it is read in sequence.
        """
        if self.whole is not None:
            return self.whole[offset : offset + length]
        start = offset + self._skip
        stop = min(start + length, self.body.length)
        if self._next == 0 and offset == 0:
            start = 0  # the part that is skipped belongs to the checksum
        data = await self._read(self.body, start, stop)
        if start == self._next and stop - start < self.body.length:
            self._next, self._crc = stop, crc32c.crc32c(data, self._crc)
            if stop == self.body.length:
                check(self.body, self._crc)
        return data[offset + self._skip - start :]
