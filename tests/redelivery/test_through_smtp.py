"""Prober, health, flush and the real SMTP client together, against a home server at the end of an in-memory wire."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.protocols.basic import LineReceiver
from twisted.test import iosim

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes.service import Watch
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import DELIVERED, IN_DOUBT
from mpcontinuity.model.settings import Home, Retry
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.queue import ledger
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.routing.health import Observation, State
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.queue.ledgers import Books

_error: Any = error  # without annotations
_iosim: Any = iosim


class SmtpHome(LineReceiver):
    """Takes all, unless its wire says otherwise."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.in_data = False
        self.lines: list[bytes] = []

    @property
    def wire_end(self) -> Any:
        return self.transport

    def say(self, line: bytes) -> None:
        self.wire_end.write(line + b"\r\n")

    def connectionMade(self) -> None:
        self.say(b"220 home")

    def lineReceived(self, line: bytes) -> None:
        if self.in_data:
            if line != b".":
                self.lines.append(line[1:] if line.startswith(b".") else line)
                return
            self.in_data = False
            self.wire.taken.append(b"\r\n".join(self.lines))
            self.lines.clear()
            if not self.wire.mute:
                self.say(b"250 2.0.0 taken")
            return
        verb = line[:4].upper()
        self.wire.commands.append(line)
        if verb == b"EHLO":
            self.say(b"250-home")
            self.say(b"250 PIPELINING")
        elif verb == b"DATA":
            self.in_data = True
            self.say(b"354 go on")
        elif verb == b"QUIT":
            self.say(b"221 bye")
            self.wire_end.loseConnection()
        else:
            self.say(b"250 2.0.0 ok")


class Wire:
    """A Connector. ``up``: whether anybody listens; ``mute``: home takes messages and never says so."""

    def __init__(self) -> None:
        self.up = True
        self.mute = False
        self.taken: list[bytes] = []
        self.commands: list[bytes] = []
        self.pumps: list[Any] = []

    def __call__(self, host: str, port: int, factory: Any, timeout: float) -> Deferred[Any]:
        if not self.up:
            return fail(_error.ConnectionRefusedError())
        server, client = SmtpHome(self), factory.buildProtocol(None)
        self.pumps.append(
            _iosim.connect(
                server,
                _iosim.makeFakeServer(server),
                client,
                _iosim.makeFakeClient(client),
            )
        )
        return succeed(client)

    def flush(self) -> None:
        for pump in self.pumps:
            pump.flush()


class Site:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.books = Books(store, clock)
        self.wire = Wire()
        client = ClientEnvironment("mx.example.net", Home(), clock, self.wire, lambda *_: None)
        servers = HomeServers(client, clock)
        directory = Directory(store)
        randomness = SeededRandomness()
        self.home = servers.of(self.books.domain)
        self.watch = Watch(store, directory, servers, Home(), timer=clock, randomness=randomness)
        environment = FlushEnvironment(store, clock, randomness, Retry(), Paces(10, clock))
        self.redelivery = Redelivery(environment, directory, servers)

    def start(self) -> None:
        result(self.watch.start())
        result(self.redelivery.start())

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            for _ in range(20):
                self.wire.flush()
                self.clock.advance(0)

    def state(self) -> State:
        return self.home.health.state


@pytest.fixture
def site(store: Store, clock: ManualClock) -> Site:
    return Site(store, clock)


def test_an_outage_from_its_beginning_to_its_end(site: Site) -> None:
    site.start()
    site.wait(5)
    site.wire.up = False
    site.wait(61)  # the idle probe finds it
    assert site.state() is State.DOWN
    rows = [site.books.redirect(name, text=f"number {n}") for n, name in enumerate(["anna", "bert", "nobody"] * 4)]
    site.wait(60)
    assert site.wire.taken == []
    site.wire.up = True
    site.wait(60)
    assert site.state() is State.UP
    assert site.books.states(*rows) == [DELIVERED] * 12
    assert len(site.wire.taken) == 12
    for row, name, n in zip(rows, ["anna", "bert", "nobody"] * 4, range(12), strict=True):
        (message,) = [taken for taken in site.wire.taken if taken.endswith(b"number %d" % n)]
        assert message.startswith(b"X-MPContinuity-Id: " + show(row).encode() + b"\r\nSubject: x\r\n\r\n")
        assert b"RCPT TO:<%s@example.org>" % name.encode() in b"".join(site.wire.commands)
    assert ledger.adds_up(site.books.report())
    assert site.books.report()[-1].delivered == 12


def test_a_home_that_takes_a_message_and_loses_the_reply_gets_it_again_with_the_same_id(site: Site) -> None:
    site.start()
    site.wire.mute = True
    row = site.books.redirect("anna")
    site.wait(30)
    assert site.books.state(row) == IN_DOUBT
    site.wire.mute = False
    site.wait(570)
    assert len(site.wire.taken) == 1
    site.wait(120)
    assert site.books.state(row) == DELIVERED
    first, second = site.wire.taken
    assert first == second


def test_a_stop_ends_all(site: Site) -> None:
    site.start()
    site.home.observe(Observation.SILENT)
    stopped = Deferred.fromCoroutine(site.redelivery.stop())
    assert stopped.called
    result(site.watch.stop())
    site.wait(1)
    assert site.clock.getDelayedCalls() == []
