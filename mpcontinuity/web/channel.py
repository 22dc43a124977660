"""HTTP/1.1 of twisted.web with bounds: on time, on octets, on connections, and on what a request body may be.

twisted.web itself opens a file for any announced length before our code runs, prolongs its timeout with every octet
that comes, waits for ever for a client that does not read the last answer (design 'Libraries'), and answers all
requests that came in one piece in one turn of the reactor, whether the client takes the answers or not. It also takes
heads that another server would read in another way (``framing.py``).
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from mpcontinuity.door.deadline import LINGER, Deadline
from mpcontinuity.web.framing import is_faulty, origin_form
from mpcontinuity.web.inflow import Inflow

REQUEST_WITHIN: Final = 30.0  # s, from the connection or the last answer until a request is complete

# Octets a second that a body comes by at least: a bad mobile network has more. A body that may be large has that time
# on top of `REQUEST_WITHIN`.
SLOWEST_BODY: Final = 16 * 1024

AHEAD: Final = 16 * 1024  # octets of the requests behind one that is being answered, as twisted.web has it

# Octets behind the last answer: what is on its way when a client hears that its body is too large.
IGNORED: Final = 1 << 20

HEADER_FIELDS: Final = 50  # browsers send about 20, a proxy adds some
HEADER_OCTETS: Final = 8192  # of all fields together, as in nginx and Apache; the path is among them

_NO_METHOD: Final = b"(no method yet)"  # of twisted.web, for a request that has not been processed

_TOO_LARGE: Final = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BAD: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Channel(http.HTTPChannel):
    """One connection of a client. A request has to be complete within the site's ``within`` seconds, counted from the
    answer to the one before; a client that does not read its last answer is cut after `LINGER`, as at every door.

    Of requests that a client sends behind each other (RFC 9112 §9.3.2) one is begun in a turn of the reactor, and none
    while the client does not take the answers to those before.
    """

    factory: Site
    timeOut: Any  # noqa: N815  seconds, or None
    _path: Any  # octets
    totalHeadersSize = HEADER_OCTETS  # noqa: N815  twisted.web's names
    maxHeaders = HEADER_FIELDS  # noqa: N815

    _parting = False
    _ignored = 0  # octets that came behind the last answer
    _behind = False  # whether octets of the next requests wait in _dataBuffer
    _turn: Any = None  # the call that begins the next one of them

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

    def allow(self, octets: int) -> None:
        """Lets the request that is coming have time for a body of so many octets."""
        if self.timeOut is not None and not self._parting:
            self._deadline.set(self.timeOut + octets / SLOWEST_BODY, self.timeoutConnection)

    def hold(self) -> None:
        """Reads nothing more from the client, until `flow`."""
        producer: Any = self._networkProducer
        producer.pauseProducing()

    def flow(self) -> None:
        """Goes on reading."""
        producer: Any = self._networkProducer
        producer.resumeProducing()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Takes what the client sends. Behind its last answer that is the rest of a body, and nothing of it counts;
        of more than `IGNORED` octets none is even read, since to decrypt them costs as much as to serve others."""
        if not self._parting:
            super().dataReceived(data)
        else:
            self._ignored += len(data)
            if self._ignored > IGNORED:
                self.hold()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Takes a line of the head. One that goes on with the line before it is refused (RFC 9112 §5.2)."""
        if line[:1] in (b" ", b"\t"):
            self._respondToBadRequestAndDisconnect()
        elif not self._parting:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuses a line that is longer than all lines of a head may be, before its end has come."""
        self._respondToBadRequestAndDisconnect()

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Takes a header field; says whether it was one."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of more digits than int() takes
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Goes on with a request whose head is sound."""
        request = self.requests[-1]
        self._path, host = origin_form(self._path)
        if is_faulty(self._version, request.requestHeaders):
            self._respondToBadRequestAndDisconnect()
            return
        if host is not None:  # RFC 9112 §3.2.2: in place of the field
            request.requestHeaders.setRawHeaders(b"host", [host])
        super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Takes octets of a body, or of the requests behind one that is being answered: a few of them, whether the
        client takes that answer or not. twisted.web goes on reading, and keeps all of it, where it does not."""
        if self._parting:
            return
        super().rawDataReceived(data)
        if self._handlingRequest and not self._parting and sum(map(len, self._dataBuffer)) > AHEAD:
            self.hold()

    def setLineMode(self, extra: bytes = b"") -> None:  # noqa: N802
        """Begins the next request: in a turn of the reactor of its own where octets of it have come, which are in
        ``extra`` or still in the buffer of LineReceiver."""
        if not (extra or self._buffer):
            super().setLineMode(extra)
        elif not self._parting:
            self._behind, self._handlingRequest, self._dataBuffer = True, True, [extra]  # as while one is answered
            self._begin_later()

    def resumeProducing(self) -> None:  # noqa: N802
        super().resumeProducing()
        self._begin_later()

    def _begin_later(self) -> None:
        if self._behind and self._turn is None and not self._waitingForTransport and not self._parting:
            reactor: Any = self.factory.reactor
            self._turn = reactor.callLater(0, self._begin_next)

    def _begin_next(self) -> None:
        self._turn = None
        if self._waitingForTransport or self._parting:
            return
        self._behind, self._handlingRequest = False, False
        come, self._dataBuffer = b"".join(self._dataBuffer), []
        producer: Any = self._networkProducer
        producer.resumeProducing()  # it was stopped where too much came meanwhile
        super().setLineMode(come)

    def allContentReceived(self) -> None:  # noqa: N802
        """Ends the body of a request, unless that was answered before its body had come, or refused."""
        if self.requests and not self._parting:
            super().allContentReceived()

    def timeoutConnection(self) -> None:  # noqa: N802
        """Hangs up, without the line in the log that twisted.web has for each."""
        self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        if self._parting:  # the client has had its last answer
            return
        if self.requests and self.requests[-1].startedWriting:  # in the midst of an answer nothing can be said
            self.cut()
            return
        transport: Any = self.transport
        transport.write(_BAD)
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
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
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
    """A request with a body of ``longest`` octets at most; what announces or sends more is cut off.

    The body is held in memory. Where ``in_pieces`` is set it is not: then the request is processed as soon as its
    header is there, and ``inflow`` gives the body as it comes.
    """

    channel: Any
    longest = 0  # octets of a body
    in_pieces = False
    inflow: Inflow | None = None

    _refused = False
    _come = 0  # octets of the body

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuses a body that is announced too large. ``length`` is None where the body comes in chunks."""
        self.content = BytesIO()
        if not self.longest if length is None else length > self.longest:
            self._refuse()
            return
        if length != 0:
            self.channel.allow(self.longest if length is None else length)
        if self.in_pieces:
            self.inflow = Inflow(self.channel.hold, self.channel.flow)
            if length != 0:
                channel = self.channel
                super().requestReceived(channel._command, channel._path, channel._version)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._refused or self.finished:
            return
        self._come += len(data)
        if self._come > self.longest:
            self._refuse()
        elif self.inflow is not None:
            self.inflow.add(data)
        else:
            assert self.content is not None
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        if self._refused:
            return
        begun = self.inflow is not None and self.method != _NO_METHOD
        if self.inflow is not None:
            self.inflow.end()
        if not begun:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        super().connectionLost(reason)
        if self.inflow is not None:
            self.inflow.fail()

    @property
    def leaves_a_body(self) -> bool:
        """Whether the body has not come in full, so that the connection cannot go on behind the answer."""
        return self.inflow is not None and not self.inflow.complete

    def part(self) -> None:
        """Says in the answer, which is yet to be written, that the connection ends behind it."""
        self.requestHeaders.removeHeader(b"expect")  # no 100 after this
        self.channel.persistent = False
        self.setHeader(b"connection", b"close")

    def _refuse(self) -> None:
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")
        if not self.startedWriting:
            self.channel.transport.write(_TOO_LARGE)
        self.channel.loseConnection()
        if self.inflow is not None:
            self.inflow.fail()
