"""HTTP/1.1 of twisted.web with bounds: on time, on octets, on connections, and on what a request body may be.

twisted.web itself opens a file for any announced length before our code runs, prolongs its timeout with every octet
that comes, and waits for ever for a client that does not read the last answer (design 'Libraries').
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from mpcontinuity.door.deadline import LINGER, Deadline

REQUEST_WITHIN: Final = 30.0  # s, from the connection or the last answer until a request is complete

_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Channel(http.HTTPChannel):
    """One connection of a client. A request has to be complete within the site's ``within`` seconds, counted from the
    answer to the one before; a client that does not read its last answer is cut after `LINGER`, as at every door."""

    factory: Site
    timeOut: Any  # noqa: N815  seconds, or None
    totalHeadersSize = 8192  # noqa: N815  twisted.web's names
    maxHeaders = 50  # noqa: N815

    _parting = False

    def connectionMade(self) -> None:  # noqa: N802
        reactor: Any = self.factory.reactor
        self._deadline = Deadline(reactor)
        self.factory.connections.add(self)
        super().connectionMade()

    def setTimeout(self, period: float | None) -> float | None:  # noqa: N802
        """Sets the time until a request must be complete; None while one is being answered. Returns what was set."""
        before: float | None = self.timeOut
        self.timeOut = period
        if not self._parting:
            if period is None:
                self._deadline.clear()
            else:
                self._deadline.set(period, self.timeoutConnection)
        return before

    def resetTimeout(self) -> None:  # noqa: N802
        """Prolongs nothing: else a client could hold a connection with an octet a minute."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """Hangs up, without the line in the log that twisted.web has for each."""
        self.loseConnection()

    def loseConnection(self) -> None:  # noqa: N802
        if not self._parting:
            self._parting = True
            self._deadline.set(LINGER, self.cut)
        super().loseConnection()

    def cut(self) -> None:
        """Ends the connection at once."""
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._parting = True
        self._deadline.clear()
        self.factory.connections.discard(self)
        super().connectionLost(reason)


class Site(http.HTTPFactory):
    """What serves the connections of one address. Above ``most`` at a time new ones are closed at once."""

    noisy = False

    def __init__(self, channel: type[Channel], reactor: IReactorTime, *, within: float, most: int) -> None:
        """``within``: seconds that a client has for a request."""
        super().__init__(timeout=within, reactor=reactor)
        self.connections: set[Channel] = set()
        self._most = most
        self.protocol: Any = channel

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        return super().buildProtocol(addr) if self.count() < self._most else None

    def count(self) -> int:
        """Returns how many connections are open."""
        return len(self.connections)

    def stop(self) -> None:
        """Cuts all connections: HTTP has no last word."""
        for channel in list(self.connections):
            channel.cut()

    def startFactory(self) -> None:  # noqa: N802
        """Keeps no access log, and so no clock for it."""

    def stopFactory(self) -> None:  # noqa: N802
        """Has nothing to stop."""


class BoundedRequest(http.Request):
    """A request whose body is held in memory, ``longest`` octets at most; what announces or sends more is cut off."""

    channel: Any
    longest = 0  # octets of a body

    _refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuses a body that is announced too large. ``length`` is None where the body comes in chunks."""
        self.content = BytesIO()
        if not self.longest if length is None else length > self.longest:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._refused:
            return
        assert self.content is not None
        if self.content.tell() + len(data) > self.longest:
            self._refuse()
        else:
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        if not self._refused:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")  # no 100 after this
        self.channel.transport.write(_TOO_LARGE)
        self.channel.loseConnection()
