"""Writing no faster than the client reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Gone(Exception):
    """The client is no longer there; nobody needs the answer."""


@implementer(IPushProducer)
class Output:
    """The transport says when its buffer is full (64 KiB); who has much to say awaits ``room`` between pieces. So a
    session holds one piece and the transport's buffer, and every piece of a long answer is a turn of the reactor of
    its own, with other sessions between."""

    def __init__(self, transport: Any, progressed: Callable[[], None]) -> None:
        """``progressed`` is called when the client has read some."""
        self._transport = transport
        self._progressed = progressed
        self._full = False
        self._lost = False
        self._waiting: list[Deferred[None]] = []
        transport.registerProducer(self, True)

    @property
    def gone(self) -> bool:
        return self._lost

    @property
    def full(self) -> bool:
        return self._full

    def write(self, data: bytes) -> None:
        if data and not self._lost:
            self._transport.write(data)

    async def room(self) -> None:
        """Raises Gone."""
        if self._lost:
            raise Gone
        if self._full:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def close(self) -> None:
        """After all that was written. A registered producer would keep TLS from ending."""
        if not self._lost:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self._lost = True
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(Gone())

    def pauseProducing(self) -> None:  # noqa: N802
        self._full = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._full = False
        self._progressed()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        """connectionLost follows."""
