from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent

from mpcontinuity.app.listening import gatekeeper
from mpcontinuity.app.listening.gatekeeper import MOMENT, MOST_TURNED_AWAY, SAY, Gatekeeper
from mpcontinuity.model.settings import Limits
from tests.fakes.clock import ManualClock

WORD = b"421 4.7.0 Too many connections\r\n"


class Port:
    """As much of a Twisted port as the gatekeeper touches: it accepts clients of its own making."""

    def __init__(self, keeper: Gatekeeper, word: bytes = WORD) -> None:
        door = ServerFactory()
        door.protocol = Protocol
        self.factory = gatekeeper._Guarded(keeper, door, "smtp", word)
        self.reading = False
        keeper._ports.append(self)

    def startReading(self) -> None:
        self.reading = True

    def stopReading(self) -> None:
        self.reading = False

    def is_open(self) -> bool:
        return self.reading

    def accept(self, host: str = "192.0.2.1") -> Any:
        """The transport of a connection, or None where it was closed at once."""
        protocol = self.factory.buildProtocol(IPv4Address("TCP", host, 4000))
        if protocol is None:
            return None
        transport = StringTransport()
        transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        return transport


def lose(transport: Any) -> None:
    transport.protocol.connectionLost()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keeper(clock: ManualClock) -> Gatekeeper:
    return Gatekeeper(Limits(connections=10, connections_per_host=2), 32, clock)


def test_nothing_is_accepted_before_it_opens(keeper: Gatekeeper) -> None:
    port = Port(keeper)
    assert not port.reading
    keeper.open()
    assert port.reading


def test_a_host_beyond_its_share_is_told_and_cut_if_it_does_not_go(keeper: Gatekeeper, clock: ManualClock) -> None:
    port = Port(keeper)
    served = [port.accept() for _ in range(2)]
    refused = port.accept()
    assert [transport.value() for transport in (*served, refused)] == [b"", b"", WORD]
    assert refused.disconnecting
    assert not refused.disconnected
    assert not port.accept("192.0.2.2").disconnecting
    clock.advance(MOMENT)
    assert refused.disconnected
    lose(served[0])
    assert not port.accept().disconnecting
    assert keeper.turned_away == 1


def test_where_tls_comes_first_who_is_turned_away_is_closed_at_once(keeper: Gatekeeper) -> None:
    port = Port(keeper, word=b"")
    assert [port.accept() is not None for _ in range(3)] == [True, True, False]


def test_no_more_than_so_many_are_told_at_a_time(clock: ManualClock) -> None:
    keeper = Gatekeeper(Limits(connections_per_host=1), 1000, clock)
    port = Port(keeper)
    port.accept()
    told = [port.accept() for _ in range(MOST_TURNED_AWAY)]
    assert port.accept() is None
    lose(told[0])
    assert port.accept() is not None


def test_accepting_pauses_while_descriptors_are_short_and_goes_on_when_some_are_free(clock: ManualClock) -> None:
    keeper = Gatekeeper(Limits(), 32, clock)
    port = Port(keeper)
    keeper.open()
    served = [port.accept(f"192.0.2.{number}") for number in range(32)]
    assert not port.reading
    lose(served[0])
    lose(served[1])
    assert not port.reading  # not back and forth with every connection
    lose(served[2])
    assert port.reading


def test_who_is_being_turned_away_has_a_socket_too(clock: ManualClock) -> None:
    keeper = Gatekeeper(Limits(connections_per_host=1), 16, clock)
    port = Port(keeper)
    keeper.open()
    port.accept()
    refused = [port.accept() for _ in range(15)]
    assert not port.reading
    for transport in refused:
        lose(transport)
    assert port.is_open()
    clock.advance(SAY)
    assert not clock.getDelayedCalls()


def test_who_has_not_said_for_whom_it_speaks_has_a_socket_too(keeper: Gatekeeper) -> None:
    port = Port(keeper)
    keeper.open()
    for _ in range(32):
        keeper.came()
    assert not port.reading
    for _ in range(3):
        keeper.went()
    assert port.is_open()


def test_who_is_turned_away_is_in_the_log_once_a_minute(keeper: Gatekeeper, clock: ManualClock) -> None:
    port = Port(keeper, word=b"")
    with capturedLogs() as logged:
        for number in range(20):
            for _ in range(2 + number):
                port.accept(f"10.{number}.0.1")
        assert not logged
        clock.advance(SAY)
        said = [formatEvent(event) for event in logged]
    assert said[0] == "21 connections of 10.19.0.1 were turned away"
    assert len(said) == 11


def test_a_protocol_that_was_let_in_hears_of_its_end_once_and_is_what_it_was(keeper: Gatekeeper) -> None:
    port = Port(keeper)
    transport = port.accept()
    heard: list[object] = []
    type(transport.protocol).connectionLost, before = (
        lambda self, reason: heard.append(reason),
        type(transport.protocol).connectionLost,
    )
    try:
        transport.protocol.connectionLost("why")
    finally:
        type(transport.protocol).connectionLost = before
    assert heard == ["why"]
    assert "connectionLost" not in vars(transport.protocol)
