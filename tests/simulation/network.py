"""A network in simulated time: connections in memory that delay, split and cut what they carry."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IProtocolFactory, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.fakes.clock import ManualClock

LATENCY = 0.05  # seconds, at most


@implementer(ITransport)
class End:
    """One end of a connection, with what our protocols use of a Twisted transport."""

    def __init__(self, network: Network, host: str, peer: str) -> None:
        self.protocol: Any = None
        self.other: End
        self.disconnecting = False
        self._network = network
        self._host = host
        self._peer = peer
        self._arrived: list[bytes] = []
        self._paused = False
        self._due = 0.0  # when the last of what was sent to it arrives: nothing overtakes
        self._lost: Exception | None = None  # arrived, but not yet told to a protocol that reads nothing
        self._gone = False

    def write(self, data: bytes) -> None:
        if self.disconnecting or self._gone or not data:
            return
        cut = self._network.chance.randint(0, len(data))
        for piece in (data[:cut], data[cut:]):
            if piece:
                self.other._later(self.other._receive, piece)

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def loseConnection(self, reason: object = None) -> None:
        """What was written still arrives."""
        if not self.disconnecting:
            self.disconnecting = True
            self.other._later(self.other._end, ConnectionDone())
            self._later(self._end, ConnectionDone())

    def abortConnection(self) -> None:
        self.disconnecting = True
        self.other._later(self.other._end, ConnectionLost())
        self._later(self._end, ConnectionAborted())

    def cut(self) -> None:
        """The network fails: neither end is told what the other has got."""
        for end in (self, self.other):
            end.disconnecting = True
            end._arrived.clear()
            end._later(end._end, ConnectionLost())

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._later(self._deliver)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Its buffer is never full."""

    def unregisterProducer(self) -> None:
        pass

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self._peer, 25)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", self._host, 25)

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        clock = self._network.clock
        self._due = max(self._due, clock.seconds() + self._network.chance.random() * LATENCY)
        clock.callLater(self._due - clock.seconds(), call, *args)

    def _receive(self, data: bytes) -> None:
        self._arrived.append(data)
        self._deliver()

    def _deliver(self) -> None:
        while self._arrived and not self._paused and not self._gone:
            self.protocol.dataReceived(self._arrived.pop(0))
        if self._lost is not None and not self._arrived:
            self._end(self._lost)

    def _end(self, error: Exception) -> None:
        if self._arrived and self._paused and not self.disconnecting:
            self._lost = error  # the end of a stream is behind all that was sent
        elif not self._gone:
            self._gone = True
            self.protocol.connectionLost(_failure(error))


_failure: Callable[[Exception], Failure] = Failure  # Twisted has no types for it
_connect_timeout: Callable[[], Exception] = ConnectTimeout


class Network:
    """Hosts that listen, by name. ``cuts``: the chance that a connection is cut at some moment."""

    def __init__(self, clock: ManualClock, chance: random.Random, *, cuts: float = 0.05) -> None:
        self.clock = clock
        self.chance = chance
        self._cuts = cuts
        self._hosts: dict[str, Callable[[], Any]] = {}

    def listen(self, host: str, accept: Callable[[], Any]) -> None:
        """``accept`` gives a protocol, None (nobody answers), or raises ConnectionRefusedError."""
        self._hosts[host] = accept

    def calm(self) -> None:
        """No more cuts."""
        self._cuts = 0

    def connect(self, host: str, port: int, factory: IProtocolFactory, timeout: float) -> Deferred[Any]:
        """outbound.network.Connector."""
        connected: Deferred[Any] = Deferred()
        self.clock.callLater(self.chance.random() * LATENCY, self._connect, connected, host, factory, timeout)
        return connected

    def _connect(self, connected: Deferred[Any], host: str, factory: Any, timeout: float) -> None:
        try:
            server = self._hosts[host]()
        except ConnectionRefusedError as error:
            connected.errback(error)
            return
        if server is None:
            self.clock.callLater(timeout, connected.errback, _connect_timeout())
            return
        client = factory.buildProtocol(IPv4Address("TCP", "192.0.2.25", 25))
        self.join(client, server)
        connected.callback(client)

    def join(self, client: Any, server: Any, *, address: str = "192.0.2.1") -> None:
        """A connection between two protocols; ``address`` is the client's."""
        near, far = End(self, address, "192.0.2.25"), End(self, "192.0.2.25", address)
        near.other, far.other = far, near
        near.protocol, far.protocol = client, server
        if self.chance.random() < self._cuts:
            self.clock.callLater(self.chance.random() * 5, near.cut)
        server.makeConnection(far)
        client.makeConnection(near)
