"""What a long operation says before its end, as it says it, and no faster than whoever listens takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused


def heard(control: Control, operation: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """Calls an operation by its name, and yields each thing that it says as its progress.

    Raises what the operation raised. Where the generator is closed before its end, an operation that waits for its
    listener is refused, and so ends.
    """
    return Heard(control, partial(OPERATIONS[operation], arguments=arguments)).pieces()


class Heard:
    """An operation under way, between it and its listener. ``begin`` calls it with the control that it tells its
    progress to; ``result`` is what it returned, once it has ended.

    It goes on where the listener is gone, unless it says so much that it waits for whoever listens.
    """

    def __init__(self, control: Control, begin: Callable[[Control], Awaitable[Any]]) -> None:
        self.result: Any = None
        self.failure: Exception | None = None
        self._said: deque[Any] = deque()
        self._ended = self._gone = False
        self._news: Deferred[None] | None = None
        self._room: Deferred[None] | None = None
        spoken = replace(control, progress=self._say, drained=self._drained)
        Deferred.fromCoroutine(self._run(begin(spoken)))

    @property
    def ended(self) -> bool:
        """Whether the operation has ended, by a result or a failure."""
        return self._ended

    async def first(self) -> None:
        """Ends when something was said, or the operation has ended. Raises what it raised, if it said nothing
        before."""
        await self._something()
        if not self._said and self.failure is not None:
            raise self.failure

    async def pieces(self) -> AsyncGenerator[Any, None]:
        """Yields each thing that is said, and raises at the end what the operation raised."""
        try:
            while await self._something():
                yield self._said.popleft()
            if self.failure is not None:
                raise self.failure
        finally:
            self._gone = True
            self._said.clear()
            self._make_room()

    async def _run(self, operation: Awaitable[Any]) -> None:
        try:
            self.result = await operation
        except Exception as error:
            self.failure = error
        self._ended = True
        self._tell()

    def _say(self, said: Any) -> None:
        if not self._gone:
            self._said.append(said)
            self._tell()

    async def _drained(self) -> None:
        if self._said and not self._gone:
            self._room = room = Deferred[None]()
            try:
                await room
            finally:
                self._room = None
        if self._gone:
            raise Refused("nobody listens any more", "conflict")

    async def _something(self) -> bool:
        """Waits until there is something to take; returns whether there is, or this was the end."""
        if not self._said:
            self._make_room()
        if not self._said and not self._ended:
            self._news = news = Deferred[None]()
            try:
                await news
            finally:  # also where whoever waits is cancelled, which fires it
                self._news = None
        return bool(self._said)

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)
