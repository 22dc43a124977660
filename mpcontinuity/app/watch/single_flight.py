"""A look at something slow, made once for all who ask at the time ("single flight")."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.model.timer import Timer

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Looks when somebody asks; who asks meanwhile waits for the same look."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, T]], timer: Timer, *, within: float) -> None:
        """``look`` must not raise. Who asks waits ``within`` seconds at most; the look itself goes on."""
        self._look = look
        self._timer = timer
        self._within = within
        self._waiting: list[Deferred[T | None]] = []
        self._looking = False

    async def get(self) -> T | None:
        """Returns what the look has seen; None where it is not known in time."""
        answer: Deferred[T | None] = Deferred()
        self._waiting.append(answer)
        if not self._looking:
            self._looking = True
            Deferred.fromCoroutine(self._look()).addBoth(self._seen)
        alarm = None if answer.called else self._timer.callLater(self._within, self._late, answer)
        try:
            return await answer
        finally:
            if alarm is not None and alarm.active():
                alarm.cancel()

    def _seen(self, seen: Any) -> Any:
        self._looking = False
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.callback(seen)

    def _late(self, answer: Deferred[T | None]) -> None:
        self._waiting.remove(answer)
        answer.callback(None)
