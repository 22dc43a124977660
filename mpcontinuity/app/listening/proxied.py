"""Doors behind a balancer that speaks HAProxy's PROXY protocol (``haproxy:`` endpoints).

Twisted's own wrapper begins the inner protocol before the header has come, so that every door would take the balancer
for its client: in Received, in limits per host, in the log. Here the header is read first, and then the connection is
the door's, with the client's address. Who may connect to such an endpoint may claim any address: it is for an interface
that only the balancer reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols import proxy

PREFIX = "haproxy:"
PATIENCE = 10.0  # seconds for the header to come

_log = Logger()


class Proxied(Factory):
    """Builds a door's protocol once the header has said who the client is."""

    noisy = False

    def __init__(self, factory: Any, reactor: Any, came: Callable[[], None], went: Callable[[], None]) -> None:
        """``factory`` is that of the door. ``came`` and ``went`` are told of each connection that has not said yet
        whose it is.
        """
        self._factory = factory
        self._reactor = reactor
        self._came = came
        self._went = went

    def doStart(self) -> None:  # noqa: N802
        self._factory.doStart()

    def doStop(self) -> None:  # noqa: N802
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802
        return _Header(self._factory, self._reactor, addr, self._came, self._went)


class _Header(Protocol):
    transport: Any

    def __init__(
        self,
        factory: Any,
        reactor: Any,
        address: IAddress | None,
        came: Callable[[], None],
        went: Callable[[], None],
    ) -> None:
        self._factory = factory
        self._reactor = reactor
        self._came = came
        self._went = went
        self._address: Any = address
        self._held = b""
        self._alarm: Alarm | None = None

    def connectionMade(self) -> None:  # noqa: N802
        self._came()
        self._alarm = self._reactor.callLater(PATIENCE, self._refuse, f"no PROXY header within {PATIENCE:g} s")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._alarm is None:
            return  # refused, and not yet cut
        self._held += data
        try:
            header = proxy.parse(self._held)
        except proxy.BadHeader as error:
            self._refuse(str(error))
            return
        if header is None:
            return
        self._settle()
        transport, rest = self.transport, self._held[header.length :]
        self._held = b""
        if header.host is not None:
            kind = IPv6Address if ":" in header.host else IPv4Address
            self._address = peer = kind("TCP", header.host, header.port)
            transport.getPeer = lambda: peer
        protocol = self._factory.buildProtocol(self._address)
        if protocol is None:  # not let in
            transport.abortConnection()
            return
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest:
            protocol.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._settle()

    def _refuse(self, why: str) -> None:
        self._settle()
        host = getattr(self._address, "host", "?")
        _log.warn("connection from {peer}, no balancer: {why}", peer=host, why=why, often=True)
        self.transport.abortConnection()

    def _settle(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            if alarm.active():
                alarm.cancel()
            self._went()
