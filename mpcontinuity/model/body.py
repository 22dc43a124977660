"""Where a message's bytes are, and how they are read without holding them all in memory."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

IN_DATABASE: Final = 0  # Body.pack of a message in the table `content`; ``offset`` is then that in its pieces together


class Body(msgspec.Struct, frozen=True):
    """A row of the table ``body``: ``length`` bytes as the user sees them, beginning with ``prefix`` of Return-Path."""

    id: int
    pack: int
    offset: int
    length: int
    prefix: int
    crc: int


class Content(Protocol):
    """The bytes of one message. ``whole`` is set where they are in memory anyway (small messages)."""

    @property
    def length(self) -> int: ...

    @property
    def whole(self) -> bytes | None: ...

    def read(self, offset: int, length: int) -> Awaitable[bytes]:
        """Exactly that piece. Raises Corrupt."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Content of a small message."""

    whole: bytes

    @property
    def length(self) -> int:
        return len(self.whole)

    async def read(self, offset: int, length: int) -> bytes:
        return self.whole[offset : offset + length]
