"""What a long operation says before its end, as it says it, and no faster than whoever listens takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused


async def heard(control: Control, operation: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """Calls an operation by its name, and yields each thing that it says as its progress.

    Raises what the operation raised. Where the generator is closed before its end, an operation that waits for its
    listener is refused, and so ends.
    """
    hearing = _Hearing()
    spoken = replace(control, progress=hearing.say, drained=hearing.drained)
    done = Deferred.fromCoroutine(OPERATIONS[operation](spoken, arguments))
    done.addBoth(hearing.end)
    try:
        while await hearing.something():
            yield hearing.said.popleft()
        await done
    finally:
        done.addErrback(lambda _: None)
        hearing.leave()


class _Hearing:
    """What was said and not yet taken, between an operation and its listener."""

    def __init__(self) -> None:
        self.said: deque[Any] = deque()
        self._ended = self._gone = False
        self._news: Deferred[None] | None = None
        self._room: Deferred[None] | None = None

    def say(self, said: Any) -> None:
        if not self._gone:
            self.said.append(said)
            self._tell()

    def end(self, result: Any) -> Any:
        self._ended = True
        self._tell()
        return result

    async def drained(self) -> None:
        if self.said and not self._gone:
            self._room = Deferred()
            await self._room
        if self._gone:
            raise Refused("nobody listens any more", "conflict")

    async def something(self) -> bool:
        """Waits until there is something to take; returns whether there is, or this was the end."""
        if not self.said:
            self._make_room()
        if not self.said and not self._ended:
            self._news = Deferred()
            await self._news
        return bool(self.said)

    def leave(self) -> None:
        self._gone = True
        self.said.clear()
        self._make_room()

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)
