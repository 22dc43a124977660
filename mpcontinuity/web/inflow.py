"""The body of a request in pieces, as it comes: an upload is never in memory as a whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

# Octets that may wait for their page before the client is not read from any more: what TLS gives in one turn.
MOST_WAITING: Final = 64 * 1024


class ClientGone(Exception):
    """Raised where a body ends before it is complete: what has come of it is to be thrown away."""


class Inflow:
    """The pieces of one body, for ``async for``. While a page has not taken what came, the client is not read from.

    Raises ClientGone, to whoever asks for the next piece, where the client went or sent too much.
    """

    def __init__(self, hold: Callable[[], None], flow: Callable[[], None]) -> None:
        """``hold`` stops reading from the client, and ``flow`` goes on."""
        self._hold = hold
        self._flow = flow
        self._pieces: deque[bytes] = deque()
        self._waiting = 0  # octets
        self._ended: Exception | None = None
        self._asked: Deferred[None] | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole body has come."""
        return isinstance(self._ended, StopAsyncIteration)

    def add(self, piece: bytes) -> None:
        """Takes octets that came."""
        if self._ended is not None:
            return
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting >= MOST_WAITING:
            self._hold()
        self._wake()

    def end(self) -> None:
        """Notes that the body is complete."""
        self._end(StopAsyncIteration())

    def fail(self) -> None:
        """Notes that the rest of the body will not come, and forgets what waits."""
        if self._end(ClientGone()):
            self._pieces.clear()

    def _end(self, how: Exception) -> bool:
        if self._ended is not None:
            return False
        self._ended = how
        self._wake()
        return True

    def _wake(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.callback(None)

    def __aiter__(self) -> Inflow:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._ended is not None:
                raise self._ended
            self._asked = Deferred()
            await self._asked
        piece = self._pieces.popleft()
        before, self._waiting = self._waiting, self._waiting - len(piece)
        if self._waiting < MOST_WAITING <= before:
            self._flow()
        return piece
