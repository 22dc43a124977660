"""A network in simulated time: connections in memory that delay, split, cut, and swallow what they carry.

Within a connection bytes arrive in order; between connections nothing is ordered. A connection may be cut, or fall
silent, at any byte of either direction.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolFactory, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.inbound.receipt import Arrival
from tests.simulation.world import Life, World

BUFFER = 65_536  # octets under way before the sender is asked to pause
UNNOTICED = 900.0  # seconds after which even who says nothing notices that the other end is gone (keepalive)

_HOST = IPv4Address("TCP", "192.0.2.25", 25)


@dataclass
class Weather:
    """``cut`` and ``hush``: the chance of a connection to be cut, or to fall silent; ``latency``: seconds at most."""

    cut: float = 0.0
    hush: float = 0.0
    latency: float = 0.02


@implementer(ITransport)
class End:
    """One end of a connection, with what our protocols use of a Twisted transport."""

    def __init__(self, link: Link, life: Life, peer: IPv4Address) -> None:
        self.protocol: Any = None
        self.other: End
        self.life = life
        self.disconnecting = False
        self.link = link
        self._world = link.world
        self._peer = peer
        self._arrived: list[bytes] = []
        self._reading = True
        self._due = 0.0  # when the last of what was sent to it arrives: nothing overtakes
        self._lost: Exception | None = None  # arrived, but not yet told to a protocol that reads nothing
        self._heard_out = False  # the other end sends no more, which the protocol is still to be told
        self._gone = False
        self._producer: Any = None
        self._unread = 0  # octets that were sent from here and not yet read there, and our end
        self._half_closed = False  # we send no more
        self._reset = False  # what was sent reached nobody
        self._clogged = False

    def write(self, data: bytes) -> None:
        if self.disconnecting or self._half_closed or self._gone or self.life.dead or not data:
            return
        data = bytes(data)
        chance = self.link.chance
        self._unread += len(data)
        if self._producer is not None and self._unread > BUFFER and not self._clogged:
            self._clogged = True
            self._producer.pauseProducing()
        if len(data) > 1 and chance.random() < 0.25:
            cut = chance.randrange(1, len(data))
            self.other.expect(self.other.receive, data[:cut])
            data = data[cut:]
        self.other.expect(self.other.receive, data)

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def loseConnection(self, reason: object = None) -> None:
        """What was written still arrives."""
        if not self.disconnecting and not self.life.dead:
            self.disconnecting = True
            if not self._half_closed:
                self.other.expect(self.other.hear_out)
            self.expect(self.end, ConnectionDone())

    def loseWriteConnection(self) -> None:
        """We send no more, and read on."""
        if not (self.disconnecting or self._half_closed or self.life.dead):
            self._half_closed = True
            self._unread += 1
            self.other.expect(self.other.hear_out)
            self._world.later(0.0, self.life, self._half_is_closed)

    def _half_is_closed(self) -> None:
        if not self._gone:
            self.protocol.writeConnectionLost()

    @property
    def arrived(self) -> Arrival:
        """Of what was sent from here: what a kernel knows."""
        if self._reset or self._gone:
            return Arrival.RESET
        return Arrival.UNDER_WAY if self._unread else Arrival.ACKNOWLEDGED

    def abortConnection(self) -> None:
        """What was written may still arrive, or not."""
        if self.life.dead or self._gone:
            return
        if not self.disconnecting and self.link.chance.random() < 0.5:
            self.other._due = 0.0
            self.other.expect(self.other.end, ConnectionLost())
        else:
            self.other.expect(self.other.end, ConnectionLost())
        self.disconnecting = True
        self.expect(self.end, ConnectionAborted())

    def pauseProducing(self) -> None:
        self._reading = False

    def resumeProducing(self) -> None:
        if not self._reading and not self.life.dead:
            self._reading = True
            self._world.later(0.0, self.life, self._deliver)

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return _HOST

    def expect(self, call: Callable[..., None], *args: Any) -> None:
        """It arrives here, behind all that is under way."""
        world = self._world
        due = max(self._due, world.now + self.link.chance.random() * self.link.latency)
        self._due = due
        world.later(due - world.now, self.life, call, *args)

    def hear_out(self) -> None:
        """The other end sends no more."""
        if self.link.silent:
            return
        if self.other._half_closed:
            self.other._unread -= 1  # an end is acknowledged also by who has closed in order and is gone; data is not
        if self._gone:
            return
        if IHalfCloseableProtocol.providedBy(self.protocol) and not self.disconnecting:
            self._heard_out = True
            self._deliver()
        else:
            self.end(ConnectionDone())

    def receive(self, data: bytes) -> None:
        if self.link.silent:
            return
        if self._gone:
            self.other._reset = True
            return
        data = self.link.passes(self, data)
        self._world.detail(self.link.name, len(data), data[:64])
        if data:
            self._arrived.append(data)
            self._deliver()

    def _deliver(self) -> None:
        while self._arrived and self._reading and not self._gone:
            data = self._arrived.pop(0)
            self.other.was_read(len(data))
            self.protocol.dataReceived(data)
        if self._lost is not None and not self._arrived:
            self.end(self._lost)
        elif self._heard_out and self._reading and not self._arrived and not self._gone:
            self._heard_out = False
            self.protocol.readConnectionLost()

    def was_read(self, octets: int) -> None:
        self._unread -= octets
        if self._clogged and self._unread <= BUFFER // 2 and not self.life.dead and not self._gone:
            self._clogged = False
            self._world.later(0.0, self.life, self._unclog)

    def _unclog(self) -> None:
        if self._producer is not None and not self._gone:
            self._producer.resumeProducing()

    def end(self, error: Exception) -> None:
        if self._arrived and not self._reading and not self.disconnecting:
            self._lost = error  # the end of a stream is behind all that was sent
        elif not self._gone:
            self._gone = True
            self.protocol.connectionLost(_failure(error))

    def vanish(self) -> None:
        """The other end's machine is off: some hear of it soon, some when they next look."""
        chance = self.link.chance
        delay = chance.random() * 2 if chance.random() < 0.5 else UNNOTICED
        self._world.later(delay, self.life, self.end, ConnectionLost())


_failure: Callable[[Exception], Failure] = Failure  # Twisted has no types for it
_connect_timeout: Callable[[], Exception] = ConnectTimeout


class Link:
    """A connection. ``fails_at``: after how many octets in the direction ``towards``, or None."""

    def __init__(self, world: World, name: str, weather: Weather) -> None:
        self.world = world
        self.name = name
        self.chance = world.chance("link", name)
        self.latency = weather.latency
        self.silent = False
        self.ends: tuple[End, End]
        self._carried = {True: 0, False: 0}
        fate = self.chance.random()
        self._fails = "cut" if fate < weather.cut else "hush" if fate < weather.cut + weather.hush else ""
        self._towards = self.chance.random() < 0.5
        self._after = _octets(self.chance)

    def passes(self, end: End, data: bytes) -> bytes:
        """What of it arrives; the connection may fail at this very byte."""
        if not self._fails or (end is self.ends[0]) is not self._towards:
            return data
        carried = self._carried[self._towards] + len(data)
        self._carried[self._towards] = carried
        if carried < self._after:
            return data
        data = data[: len(data) - (carried - self._after)]
        self.world.note(f"{self.name}: {self._fails}")
        self.silent = True
        if self._fails == "cut":
            self.world.later(0.0, self.world.nobody, self.cut)
        else:
            for each in self.ends:
                self.world.later(UNNOTICED, each.life, each.end, ConnectionLost())
        self._fails = ""
        return data

    def cut(self) -> None:
        """Neither end is told what the other has got."""
        self.silent = True
        for end in self.ends:
            end.disconnecting = True
            end._arrived.clear()
            end.expect(end.end, ConnectionLost())


def _octets(chance: random.Random) -> int:
    """Where a connection fails: most say little, so every size is as likely as any other."""
    return int(1.5 ** (chance.random() * 26))


class Network:
    """Hosts that listen, by name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.weather = Weather()
        self.links: list[Link] = []
        self._hosts: dict[str, Callable[[Life], Any]] = {}
        self._addresses: dict[str, str] = {}  # by name, of those that have one; without it a name is its own address
        self.unknown: set[str] = set()  # names that DNS cannot tell
        self._counts: Counter[str] = Counter()

    def listen(self, host: str, accept: Callable[[Life], Any]) -> None:
        """``accept`` is told who connects. It gives a protocol, None (nobody answers), or raises
        ConnectionRefusedError."""
        self._hosts[host] = accept

    def move(self, name: str, address: str) -> None:
        """The name means this address from now on, and nobody answers at the one before."""
        accept = self._hosts.pop(self._addresses.get(name, ""), None) or self._hosts[name]
        self._addresses[name] = address
        self._hosts[address] = accept

    def connector(self, life: Life) -> Callable[[str, int, IProtocolFactory, float], Deferred[Any]]:
        """outbound.network.Connector of a process."""

        def connect(host: str, port: int, factory: IProtocolFactory, timeout: float) -> Deferred[Any]:
            connected: Deferred[Any] = Deferred()
            delay = self.weather.latency * 0.5
            self.world.later(delay, life, self._connect, life, connected, host, factory, timeout)
            return connected

        return connect

    def _connect(self, life: Life, connected: Deferred[Any], host: str, factory: Any, timeout: float) -> None:
        if host in self.unknown:
            connected.errback(DNSLookupError())
            return
        address = self._addresses.get(host, host)
        try:
            server = self._hosts.get(address, lambda _: None)(life)
        except ConnectionRefusedError as error:
            connected.errback(error)
            return
        if server is None:
            self.world.later(timeout, life, connected.errback, _connect_timeout())
            return
        client = factory.buildProtocol(_HOST)
        self.join(
            host, client, life, server, self.world.nobody, at=address if address in self._addresses.values() else ""
        )
        connected.callback(client)

    def join(
        self, name: str, client: Any, client_life: Life, server: Any, server_life: Life, peer: str = "", at: str = ""
    ) -> Link:
        """A connection between two protocols; ``peer`` is the client's address, ``at`` the server's."""
        self._counts[name] += 1
        link = Link(self.world, f"{name}#{self._counts[name]}", self.weather)
        address = IPv4Address("TCP", peer or "192.0.2.1", 25)
        near = End(link, client_life, IPv4Address("TCP", at, 25) if at else _HOST)
        far = End(link, server_life, address)
        near.other, far.other = far, near
        near.protocol, far.protocol = client, server
        link.ends = (near, far)
        self.links = [each for each in self.links if not all(end._gone for end in each.ends)]
        self.links.append(link)
        server.makeConnection(far)
        client.makeConnection(near)
        return link

    def dies(self, life: Life) -> None:
        """The process is gone, and with it its ends of all connections."""
        for link in self.links:
            near, far = link.ends
            for end, other in ((near, far), (far, near)):
                if end.life is life and other.life is not life:
                    other.vanish()
        self.links = [link for link in self.links if all(end.life is not life for end in link.ends)]

    def calm(self) -> None:
        """No more failures; connections that are silent are cut."""
        self.weather = Weather()
        for link in self.links:
            if link.silent:
                link.cut()
            link._fails = ""
