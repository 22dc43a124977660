"""Writes no faster than the client reads."""

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
    """Is raised where the client is no longer there, so that nobody needs the answer."""


@implementer(IPushProducer)
class Output:
    """What is written to one client. The transport says when its buffer is full (64 KiB); who has much to say awaits
    `room` between pieces, unless there is some (`has_room`). So a connection holds one piece and the transport's
    buffer, and a long answer lets other connections in between.

    Where nothing waits in the transport's buffer, data goes to the socket at once, without asking the reactor when that
    is ready: that would be two system calls and a turn for each answer.
    """

    def __init__(self, transport: Any, progressed: Callable[[], None]) -> None:
        """``transport`` is Twisted's; ``progressed`` is called when the client has read some."""
        self.has_room = True  # else `room` is to be awaited before more is written
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
        """Whether the connection is lost."""
        return self._lost

    @property
    def full(self) -> bool:
        """Whether more was written than the client has read, and the transport's buffer is full."""
        return self._full

    def write(self, data: bytes) -> None:
        """Writes ``data`` behind all that was written before, whether there is room or not."""
        if not data or self._lost:
            return
        transport = self._transport
        if self._full or self._closed or not self._is_socket or transport.TLS:  # TLS has a buffer of its own
            transport.write(data)
            return
        sent = transport.writeSomeData(data)
        if sent == len(data):
            self._at_once += sent
            if self._at_once >= _TURN:
                self.has_room = False
            return
        transport.write(data[sent:] if isinstance(sent, int) else data)  # an error shows there again
        # As the transport does it above 64 KiB: from now on it says when its buffer is empty.
        transport.producerPaused = self._full = True
        self.has_room = False

    async def room(self) -> None:
        """Waits until the client has read what was written and others have had their turn. Raises Gone."""
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
            self.has_room = not self._full
        if self._full:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def close(self) -> None:
        """Closes the connection behind all that was written."""
        if not self._lost:
            self.release()
            self._transport.loseConnection()

    def release(self) -> None:
        """Ends the registration with the transport, which then no longer says what the client has read.

        A transport under TLS does not close while a producer is registered.
        """
        self._closed = True
        self._transport.unregisterProducer()

    def lost(self) -> None:
        """Notes that the connection is gone, and raises Gone in all that await `room`."""
        self._lost = True
        self.has_room = False
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(Gone())

    def pauseProducing(self) -> None:  # noqa: N802
        self._full = True
        self.has_room = False

    def resumeProducing(self) -> None:  # noqa: N802
        self._full = False
        self.has_room = self._at_once < _TURN and not self._lost
        self._progressed()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        """Does nothing: ``connectionLost`` follows."""
