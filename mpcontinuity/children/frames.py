"""What parent and child say to each other: frames of a kind, a length, and as many octets."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

HEAD = struct.Struct(">BI")
# Octets of a frame. Content goes in pieces of 64 KiB, and what is said of it is short; a header may be above a MiB.
LONGEST = 8 << 20

ENOUGH = b"."  # with DONE: no more content is wanted


class FrameKind(enum.IntEnum):
    """The kind of a frame. The parent begins, and waits for one frame after each of its own."""

    BEGIN = 1  # the name of a module, a line end, its argument
    PIECE = 2  # of content
    ASK = 3
    DONE = 4  # to BEGIN and PIECE
    ANSWER = 5  # to ASK
    FAILED = 6  # to any: why; the work is over


_KINDS = frozenset(map(int, FrameKind))


class BadFrame(ValueError):
    """Raised for octets that are not a frame; whoever wrote them cannot be trusted any more."""


def frame(kind: FrameKind, payload: bytes = b"") -> bytes:
    """Returns the octets of a frame."""
    return HEAD.pack(kind, len(payload)) + payload


class Frames:
    """Reads frames from a stream that may be cut anywhere."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[FrameKind, bytes]]:
        """Takes the next octets and yields the frames that are complete. Raises BadFrame."""
        self._held += data
        while len(self._held) >= HEAD.size:
            number, length = HEAD.unpack_from(self._held)
            if number not in _KINDS or length > LONGEST:
                raise BadFrame(f"kind {number}, {length} octets")
            end = HEAD.size + length
            if len(self._held) < end:
                return
            payload = bytes(self._held[HEAD.size : end])
            del self._held[:end]
            yield FrameKind(number), payload
