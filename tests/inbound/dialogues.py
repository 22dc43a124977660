"""A door on string transports: what a client says and what it reads."""

from __future__ import annotations

from functools import partial

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.receipt import Arrival
from mpcontinuity.inbound.services import Services
from mpcontinuity.inbound.session import Session
from mpcontinuity.model.settings import Limits
from tests.delivery.conftest import Post


class Wire(StringTransport):
    """Counts writes, knows TLS, and breaks as a socket does."""

    def __init__(self, host: str = "192.0.2.7") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", host, 4711))
        self.writes = 0
        self.secured: object = None
        self.aborted = False
        self.closed_our_direction = False
        self.arrived = Arrival.ACKNOWLEDGED  # what was written

    def loseWriteConnection(self) -> None:
        self.closed_our_direction = True

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)

    def startTLS(self, context: object) -> None:
        self.secured = context

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


class TcpWire(Wire):
    """A connection of Twisted's own kind: takes data at once, as much as there is ``room`` for."""

    def __init__(self, room: int = 65536) -> None:
        super().__init__()
        self.TLS = False
        self.room = room

    def startTLS(self, context: object) -> None:
        super().startTLS(context)
        self.TLS = True

    def writeSomeData(self, data: bytes) -> int | Exception:
        if self.room < 0:
            return ConnectionLost()
        taken = data[: self.room]
        self.room -= len(taken)
        self.io.write(taken)
        return len(taken)


class Door:
    """A factory over a `Post`'s delivery."""

    def __init__(self, post: Post, *, limits: Limits | None = None) -> None:
        self.post = post
        self.services = Services(
            begin=partial(Incoming, post.delivery),
            hostname="mx.example.org",
            limits=limits or Limits(),
            rations=post.delivery.rations,
            identifiers=post.store.identifiers,
            timer=post.clock,
            tls=object(),
            arrival=lambda wire: wire.arrived,
        )
        self.factory = SmtpFactory(self.services, post.delivery.awaited.stop_waiting)

    def connect(self, host: str = "192.0.2.7", wire: Wire | None = None) -> Connection:
        session = self.factory.buildProtocol(None)
        return Connection(session, wire or Wire(host))


class Connection:
    def __init__(self, session: Session, wire: Wire) -> None:
        self.session = session
        self.wire = wire
        session.makeConnection(wire)

    def read(self) -> str:
        """What came since the last time."""
        data: bytes = self.wire.value()
        self.wire.clear()
        return data.decode("ascii")

    def say(self, *lines: str) -> str:
        """Sends lines in one piece; what is read then."""
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        return self.read()

    def send(self, data: bytes) -> None:
        if not self.wire.disconnecting:
            self.session.dataReceived(data)

    def codes(self, *lines: str) -> list[str]:
        """The codes of the replies to lines sent in one piece."""
        return [line[:3] for line in self.say(*lines).splitlines() if line[3:4] == " "]

    def ended(self) -> bool:
        """Whether the door has hung up."""
        return bool(self.wire.disconnecting)

    def close(self) -> None:
        """In order: no more is sent, and what comes is still acknowledged."""
        self.session.readConnectionLost()

    def vanish(self) -> None:
        self.wire.connected = False
        self.session.connectionLost(Failure(ConnectionError("gone")))
