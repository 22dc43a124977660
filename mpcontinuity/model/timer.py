"""The part of Twisted's ``IReactorTime`` that is used here, as protocols that the type checker understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Alarm(Protocol):
    """A call that is to be made later, as Twisted's ``IDelayedCall`` is."""

    def active(self) -> bool:
        """Returns whether the call is still to be made."""
        ...

    def cancel(self) -> None:
        """Takes the call back."""
        ...

    def getTime(self) -> float:  # noqa: N802
        """Returns when the call is made, on the scale of ``Timer.seconds``."""
        ...


class Timer(Protocol):
    """Makes calls later: a reactor, or ``twisted.internet.task.Clock`` in tests and simulations."""

    def seconds(self) -> float:
        """Returns the seconds since some moment."""
        ...

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Alarm:  # noqa: N802
        """Calls ``callable`` after ``delay`` seconds."""
        ...
