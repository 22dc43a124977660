"""What we use of Twisted's ``IReactorTime``, in a form that the type checker understands (a zope interface is not)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Alarm(Protocol):
    """``IDelayedCall``."""

    def active(self) -> bool: ...

    def cancel(self) -> None: ...

    def getTime(self) -> float:  # noqa: N802
        """When it goes off, on the scale of ``Timer.seconds``."""
        ...


class Timer(Protocol):
    """``IReactorTime``: a reactor, or ``twisted.internet.task.Clock`` in tests and simulations."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Alarm:  # noqa: N802
        """``delay`` in seconds."""
        ...
