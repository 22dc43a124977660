"""What happens is told by the API as it happens: at the server where it does, and at another node of the same store."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import cluster
from tests.journeys.nodes import Nodes, Pair
from tests.journeys.world import World, configuration

WEB = configuration().replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
PATIENCE = 60  # s


@pytest.fixture(scope="module", params=["one server", "two nodes"])
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """The world that things happen in, and the same one as it is seen where somebody listens."""
    folder = tmp_path_factory.mktemp("servers")
    with ScriptedHome() as home:
        if request.param == "one server":
            with Server(folder, WEB) as server:
                world = World(server, home)
                yield world, world
                logs = [server.log.read_text()]
        else:
            with Nodes(folder, cluster(), configuration=WEB) as nodes:
                pair = Pair(nodes, home)
                yield pair.both
                logs = [server.log.read_text() for server in nodes.servers]
        for log in logs:
            assert "Traceback" not in log, log[-6000:]


class Listener:
    """A program that listens to ``events``."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._heard: list[tuple[str, dict[str, Any]]] = []  # and not asked for yet
        while self._stream.readline().strip():  # the header
            pass

    def until(self, event: str, **members: str) -> dict[str, Any]:
        """The next event of that name with such members of its data; others may come before it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for one in self._heard:
                if one[0] == event and members.items() <= one[1]["data"].items():
                    self._heard.remove(one)
                    return one[1]
            self._heard.append(self._next(deadline))

    def _next(self, deadline: float) -> tuple[str, dict[str, Any]]:
        name = ""
        for line in self._stream:  # one comes every few seconds
            assert time.monotonic() < deadline, self._heard
            if line.startswith(b"event: "):
                name = line[7:].decode().strip()
            elif line.startswith(b"data: "):
                return name, json.loads(line[6:])
        raise AssertionError("the stream ended")


@contextmanager
def listening(world: World) -> Iterator[Listener]:
    done = world.server.run("admin", "add", f"listener-{world.domain}", "--password-stdin", stdin="a good password")
    assert done.returncode == 0, done.stderr
    token = world.cli("admin", "token", f"listener-{world.domain}")["token"]
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", world.server.ports["web"]), PATIENCE) as plain,
        trusting.wrap_socket(plain) as connection,
        connection.makefile("rb") as stream,
    ):
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(request.encode())
        yield Listener(stream)


def test_an_outage_is_heard_from_its_beginning_to_the_last_message_that_came_home(worlds: tuple[World, World]) -> None:
    world, other = worlds
    with listening(other) as listener:
        assert world.send("before the outage").code == 250
        passed = listener.until("message", subject="before the outage")
        assert (passed["domain"], passed["data"]["status"]) == (world.domain, "delivered")
        world.home.stop()
        assert world.send("in the outage").code == 250
        kept = listener.until("message", subject="in the outage")
        assert kept["data"]["outcome"] == "owed"
        down = listener.until("state", state="down")
        assert down["data"]["domain"] == world.domain
        world.home.start()
        home = listener.until("outcome", id=kept["id"], outcome="delivered")
        assert home["data"]["events"][-1]["code"] == 250
        assert listener.until("state", state="up")["domain"] == world.domain
