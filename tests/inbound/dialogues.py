"""A door on string transports: what a client says and what it reads."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.receipt import Arrival
from mpcontinuity.inbound.services import SmtpServices
from mpcontinuity.model.settings import Limits
from tests.delivery.conftest import Post
from tests.fakes.logins import KnownPassword


class Wire(StringTransport):
    """Counts writes, and knows TLS."""

    producer: Any

    def __init__(self, host: str = "192.0.2.7") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", host, 4711))
        self.writes = 0
        self.secured: object = None
        self.shaken = False  # hands, for TLS
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


def no_user_sends(*_: object) -> Any:
    raise AssertionError("nobody has logged in")


class Door:
    """A factory over a `Post`'s delivery."""

    def __init__(self, post: Post, *, limits: Limits | None = None) -> None:
        self.post = post
        self.services = SmtpServices(
            store=post.store,
            directory=post.delivery.directory,
            login=KnownPassword(post.delivery.directory),  # type: ignore[arg-type]
            begin=partial(Incoming, post.delivery),
            submit=no_user_sends,
            stop_waiting=post.delivery.awaited.stop_waiting,
            hostname="mx.example.org",
            limits=limits or Limits(),
            rations=post.delivery.rations,
            timer=post.clock,
            tls=object(),
            arrival=lambda wire: wire.arrived,
        )
        self.factory = SmtpFactory(self.services)

    def connect(self, host: str = "192.0.2.7", wire: Wire | None = None) -> Connection:
        session = self.factory.buildProtocol(None)
        return Connection(session, wire or Wire(host))


class Connection:
    def __init__(self, session: Any, wire: Wire) -> None:
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
        if self.wire.disconnecting:
            return
        if self.wire.secured is not None and not self.wire.shaken:
            self.wire.shaken = True
            self.session.handshakeCompleted()
        self.session.dataReceived(data)
        clock = self.session.services.timer  # others have their turn between many commands
        while self.session.working and any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
            clock.advance(0)

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
