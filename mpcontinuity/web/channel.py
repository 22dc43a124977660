"""HTTP/1.1 of twisted.web with bounds: on time, on octets, and on what a request body may be.

twisted.web itself opens a file for any announced length before our code runs, prolongs its timeout with every octet
that comes, and waits for ever for a client that does not read the last answer (design 'Libraries').
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Channel(http.HTTPChannel):
    """A request has to be complete within the factory's timeout, counted from the answer to the one before."""

    totalHeadersSize = 8192  # noqa: N815  twisted.web's names
    maxHeaders = 50  # noqa: N815
    abortTimeout = 10  # noqa: N815

    _gone = False

    def resetTimeout(self) -> None:  # noqa: N802
        """What comes prolongs nothing: else a client could hold a connection with an octet a minute."""

    def loseConnection(self) -> None:  # noqa: N802
        """Cuts a client that does not read the last answer."""
        if self._abortingCall is None and not self._gone:
            call_later: Any = self.callLater
            self._abortingCall = call_later(self.abortTimeout, self.forceAbortClient)
        super().loseConnection()

    def timeoutConnection(self) -> None:  # noqa: N802
        """Without the line in the log that twisted.web has for each."""
        self.loseConnection()

    def forceAbortClient(self) -> None:  # noqa: N802
        """As before, without a line either."""
        self._abortingCall = None
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._gone = True
        super().connectionLost(reason)


class BoundedRequest(http.Request):
    """A body is held in memory and no longer than ``longest``; what announces or sends more is cut off."""

    channel: Any
    longest = 0  # octets of a body

    _refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """``length`` is None where the body comes in chunks."""
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
