from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.protocol import Protocol, ServerFactory

from mpcontinuity.app.listening import listeners
from mpcontinuity.app.listening.gatekeeper import Gatekeeper
from mpcontinuity.app.listening.listeners import EarlyPorts
from mpcontinuity.config.read import BadConfiguration
from mpcontinuity.model.settings import Limits, Listen
from tests.fakes.clock import ManualClock


@pytest.mark.parametrize("endpoint", ["tcp:1:interface=192.0.2.77", "haproxy:nonsense", "tcp:0:interface=no such"])
def test_where_one_cannot_listen_is_said_by_the_doors_name(endpoint: str) -> None:
    from twisted.internet import reactor

    keeper = Gatekeeper(Limits(), 10, ManualClock())
    unused: Any = ServerFactory()
    with pytest.raises(BadConfiguration, match=r'^listen\.smtp: "'):
        keeper.bind(reactor, "smtp", endpoint, unused)


def test_a_privileged_port_is_bound_early_and_served_by_the_door_that_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from twisted.internet import reactor

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    monkeypatch.setattr(listeners, "_FREE_PORTS", 65536)
    endpoint = f"tcp:{number}:interface=127.0.0.1"
    early = EarlyPorts()
    others = {door: () for door in Listen.__struct_fields__ if door != "smtp"}
    early.bind(reactor, Listen(smtp=(endpoint, "tcp:0:interface=127.0.0.1"), **others))
    keeper = Gatekeeper(Limits(), 10, ManualClock(), early)
    door = ServerFactory()
    built: list[Any] = []
    door.buildProtocol = lambda addr: built.append(addr) or Protocol()  # type: ignore[method-assign,func-returns-value]
    assert keeper.bind(reactor, "smtp", endpoint, door) == ("127.0.0.1", number)
    [port] = keeper._ports
    with socket.create_connection(("127.0.0.1", number)):
        port.doRead()
    assert (len(built), keeper.accepted["smtp"], door.numPorts) == (1, 1, 1)
    port.stopListening()
