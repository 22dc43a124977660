"""Where the octets of a message are stored, and how they are read without holding the whole message in memory."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

IN_DATABASE: Final = 0  # Body.pack of a message in the table `content`; ``offset`` is then that in its pieces together


class Body(msgspec.Struct, frozen=True):
    """A row of the table ``body``, which says where a message is stored.

    ``length`` is the number of octets that the user sees. The first ``prefix`` of them are the Return-Path field, which
    home is not sent. ``crc`` is the CRC-32C of all of them.
    """

    id: int
    pack: int
    offset: int
    length: int
    prefix: int
    crc: int


class Content(Protocol):
    """The octets of one message, to be read in pieces."""

    @property
    def length(self) -> int:
        """The number of octets."""
        ...

    @property
    def whole(self) -> bytes | None:
        """All octets of a small message, which is in memory anyway; None for a large one."""
        ...

    def read(self, offset: int, length: int) -> Awaitable[bytes]:
        """Reads exactly ``length`` octets from ``offset`` on. Raises Corrupt where they do not match their checksum."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """The content of a message that is in memory as a whole."""

    whole: bytes

    @property
    def length(self) -> int:
        return len(self.whole)

    async def read(self, offset: int, length: int) -> bytes:
        return self.whole[offset : offset + length]
