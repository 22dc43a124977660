"""A process with a real reactor and real servers at addresses of this machine: which of them a home's mail comes to.

It prints, as JSON, the addresses that were reached, in their order.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from mpcontinuity.model.address import parse
from mpcontinuity.model.body import InMemory
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.model.settings import DomainSettings, Home
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.outbound.network import connector, securing
from mpcontinuity.outbound.opening import ClientEnvironment
from tests.outbound.wire import Domain

reactor: Any = _reactor
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAME = "home.example"


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None: ...


@implementer(IHostnameResolver)
class Names:
    """What the system's resolver knows: one name, whose address changes; empty: it answers nothing."""

    def __init__(self) -> None:
        self.address = FIRST

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any) -> Any:  # noqa: N803
        resolution = _Resolution(hostName)
        receiver.resolutionBegan(resolution)
        known = self.address if hostName == NAME else hostName
        if known:
            receiver.addressResolved(IPv4Address("TCP", known, portNumber))
        receiver.resolutionComplete()
        return resolution


class Smtp(LineReceiver):
    """Takes every message."""

    transport: Any
    _data = False

    def connectionMade(self) -> None:
        self.sendLine(b"220 home")

    def lineReceived(self, line: bytes) -> None:
        if self._data:
            if line == b".":
                self._data = False
                self.sendLine(b"250 2.0.0 taken")
            return
        self._data = line == b"DATA"
        self.sendLine(b"354 go" if self._data else b"250 ok")
        if line == b"QUIT":
            self.transport.loseConnection()


class Hosts:
    """Servers at the same port of both addresses, which begin and end."""

    def __init__(self) -> None:
        self.port = _free_at_both()
        self._listening: dict[str, Any] = {}
        self._open: dict[str, list[Smtp]] = {FIRST: [], SECOND: []}

    def begin(self, address: str) -> None:
        def build() -> Smtp:
            made = Smtp()
            self._open[address].append(made)
            return made

        self._listening[address] = reactor.listenTCP(self.port, Factory.forProtocol(build), interface=address)

    async def end(self, address: str) -> None:
        await self._listening.pop(address).stopListening()
        for each in self._open[address]:
            if each.transport is not None:
                each.transport.abortConnection()


def _free_at_both() -> int:
    for _ in range(100):
        with socket.create_server((FIRST, 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server((SECOND, port)).close()
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free at both addresses")


class Client:
    """What is done to home, and where it came to."""

    def __init__(self, *hosts: str) -> None:
        settings = Home(connect_timeout=3, reply_timeout=3, message_timeout=5)
        environment = ClientEnvironment("mx.example.org", settings, reactor, connector(reactor), securing())
        domain = Domain(DomainSettings(home=hosts, home_tls="off"))
        self.home: HomeServer = HomeServers(environment, SystemClock()).of(domain)
        self.reached: list[str] = []  # by messages

    async def probe(self) -> None:
        outcome = await self.home.probe(None)
        assert outcome.verdict is Verdict.ACCEPTED, outcome.text

    async def message(self) -> None:
        transaction = self.home.transaction(None, MailParameters())
        outcome: Outcome = await transaction.recipient(parse("bob@example.org"), RcptParameters())
        assert outcome.verdict is Verdict.ACCEPTED, outcome.text
        outcome = await transaction.message(b"", InMemory(b"Hello\r\n"))
        assert outcome.verdict is Verdict.ACCEPTED, outcome.text
        self.reached.append(transaction.host)

    async def settle(self) -> None:
        """Lets closed connections be noticed."""
        waited: Deferred[None] = Deferred()
        reactor.callLater(0.05, waited.callback, None)
        await waited


async def a_name_that_moves() -> list[str]:
    names, hosts = Names(), Hosts()
    reactor.installNameResolver(names)
    client = Client(f"{NAME}:{hosts.port}")
    hosts.begin(FIRST)
    hosts.begin(SECOND)
    reached: list[str] = []
    for address in (FIRST, SECOND, "", FIRST):  # without an answer it is where it was
        names.address = address
        await client.probe()
        reached += client.home.addresses
    names.address = SECOND
    await hosts.end(FIRST)
    await client.settle()
    await client.message()
    return [*reached, f"message to {client.home.addresses[0]}"]


async def hosts_in_order() -> list[str]:
    hosts = Hosts()
    client = Client(*(f"{address}:{hosts.port}" for address in (FIRST, SECOND)))
    hosts.begin(FIRST)
    hosts.begin(SECOND)
    await client.message()
    await hosts.end(FIRST)
    await client.settle()
    await client.message()
    hosts.begin(FIRST)
    await client.message()  # does not wait for one that failed
    await client.probe()
    await client.message()
    return [each.removesuffix(f":{hosts.port}") for each in client.reached]


SCENES: dict[str, Callable[[], Awaitable[list[str]]]] = {
    "name": a_name_that_moves,
    "order": hosts_in_order,
}


def main(scene: str) -> None:
    def done(told: object) -> None:
        print(json.dumps(told if isinstance(told, list) else repr(told)))
        reactor.callLater(0, reactor.stop)

    async def play() -> list[str]:
        return await SCENES[scene]()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(play()).addBoth(done))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
