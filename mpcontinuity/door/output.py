"""Writing no faster than the client reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

# Octets that go to the socket at once before other sessions have their turn.
_TURN = 128 * 1024


class Gone(Exception):
    """The client is no longer there; nobody needs the answer."""


@implementer(IPushProducer)
class Output:
    """The transport says when its buffer is full (64 KiB); who has much to say awaits ``room`` between pieces. So a
    session holds one piece and the transport's buffer, and a long answer lets other sessions in between.

    Where nothing waits in the transport's buffer, data goes to the socket at once, without asking the reactor when that
    is ready: that would be two system calls and a turn for each answer."""

    def __init__(self, transport: Any, progressed: Callable[[], None]) -> None:
        """``progressed`` is called when the client has read some."""
        self._transport = transport
        self._is_socket = isinstance(transport, FileDescriptor)  # nothing that wraps one, and asks it in our name
        self._progressed = progressed
        self._full = False
        self._lost = False
        self._closed = False
        self._at_once = 0  # octets since the last turn
        self._waiting: list[Deferred[None]] = []
        transport.registerProducer(self, True)

    @property
    def gone(self) -> bool:
        return self._lost

    @property
    def full(self) -> bool:
        return self._full

    def write(self, data: bytes) -> None:
        if not data or self._lost:
            return
        transport = self._transport
        if self._full or self._closed or not self._is_socket or transport.TLS:  # TLS has a buffer of its own
            transport.write(data)
            return
        sent = transport.writeSomeData(data)
        if sent == len(data):
            self._at_once += sent
            return
        transport.write(data[sent:] if isinstance(sent, int) else data)  # an error shows there again
        # As the transport does it above 64 KiB: from now on it says when its buffer is empty.
        transport.producerPaused = self._full = True

    async def room(self) -> None:
        """Raises Gone."""
        if self._lost:
            raise Gone
        if self._at_once >= _TURN:
            self._at_once = 0
            turn: Deferred[None] = Deferred()
            self._transport.reactor.callLater(0, turn.callback, None)
            await turn
            self._progressed()
            if self._lost:
                raise Gone
        if self._full:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def close(self) -> None:
        """After all that was written. A registered producer would keep TLS from ending."""
        if not self._lost:
            self._closed = True
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
        """Does nothing: ``connectionLost`` follows."""
