"""What a long operation says before its end, handed to a client as it comes, and no faster than the client takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.admin.api.problems import Problem, problem_of
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused

JSON_LINES = "application/jsonl"

_log = Logger()


class Running:
    """An operation under way. ``coming`` begins it with the control that it is to tell its progress to.

    It goes on where the client is gone, unless it says so much that it waits for whoever listens.
    """

    def __init__(self, control: Control, coming: Callable[[Control], Awaitable[Any]]) -> None:
        self.result: Any = None
        self.failure: Exception | None = None
        self._said: deque[Any] = deque()
        self._ended = False
        self._gone = False
        self._listener: Deferred[None] | None = None
        self._speaker: Deferred[None] | None = None
        heard = replace(control, progress=self._progress, drained=self._drained)
        Deferred.fromCoroutine(self._run(coming(heard))).addErrback(self._broken)

    async def first(self) -> None:
        """Ends when something was said, or the operation has ended: from then on its refusal would come too late for a
        status code. Raises what the operation raised, if it said nothing before."""
        await self._something()
        if not self._said and self.failure is not None:
            raise self.failure

    async def pieces(self) -> AsyncGenerator[Any, None]:
        """Gives each thing that is said. At the end the result is in ``result``; raises what the operation raised."""
        try:
            while True:
                await self._something()
                if not self._said:
                    break
                yield self._said.popleft()
                if not self._said:
                    self._fire_speaker()
            if self.failure is not None:
                raise self.failure
        finally:
            self._gone = True
            self._said.clear()
            self._fire_speaker()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Gives lines of JSON: ``{"progress": …}`` for each thing that is said, and at last ``{"result": …}`` or
        ``{"problem": …}``."""
        pieces = self.pieces()
        try:
            async for said in pieces:
                yield _line("progress", said)
            yield _line("result", self.result)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                _log.failure("an operation of the API failed")
                problem = Problem(500, "an error of the server, which its log tells of")
            yield _line("problem", problem.told())
        finally:
            await pieces.aclose()

    async def _run(self, coming: Awaitable[Any]) -> None:
        try:
            self.result = await coming
        except Exception as error:
            self.failure = error
        self._ended = True
        self._fire_listener()

    def _broken(self, failure: Failure) -> None:
        _log.failure("an operation of the API cannot be waited for", failure)

    def _progress(self, said: Any) -> None:
        if not self._gone:
            self._said.append(said)
            self._fire_listener()

    async def _drained(self) -> None:
        if self._said and not self._gone:
            self._speaker = speaker = Deferred[None]()
            try:
                await speaker
            finally:
                self._speaker = None
        if self._gone:
            raise Refused("whoever asked is gone", "conflict")

    async def _something(self) -> None:
        if not self._said and not self._ended:
            self._listener = listener = Deferred[None]()
            try:
                await listener
            finally:  # also where whoever waits is cancelled, which fires it
                self._listener = None

    def _fire_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.callback(None)

    def _fire_speaker(self) -> None:
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            speaker.callback(None)


def _line(name: str, value: Any) -> bytes:
    return msgspec.json.encode({name: value}) + b"\n"
