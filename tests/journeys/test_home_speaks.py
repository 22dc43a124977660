"""Home is back and says so, or its administrator does: nobody waits for probes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, configuration

# By probes alone this server would take home for down until the end of the test.
SLOW = "recovery_probes = 100"


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    text = configuration(request.config.getoption("database")).replace("[home]", f"[home]\n{SLOW}")
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture
def down(world: World) -> World:
    """Its home was away, has two messages to get, and answers again."""
    world.home.stop()
    for user in (world.anna, world.ben):
        assert world.send(f"for {user}", user).code == 250
    assert world.state() == "down"
    world.home.start()
    return world


def test_home_asks_for_what_it_is_owed(down: World) -> None:
    with down.smtp() as client:
        client.ehlo("home.example")
        assert client.has_extn("etrn")
        assert client.docmd("ETRN", "nowhere.example")[0] == 459
        code, text = client.docmd("ETRN", down.domain)
        assert (code, text) == (253, f"2.0.0 OK, 2 pending messages for node {down.domain} started".encode())
    down.wait_for_ledger(taken_in=2, delivered=2)
    down.wait_for(lambda: down.state() == "up")
    history = down.cli("status", down.domain, "--history")
    assert [row["state"] for row in history] == ["up", "recovering", "down"]
    assert history[-1]["reason"].startswith("no connection to ")


def test_who_retries_the_queue_of_a_domain_does_not_wait(down: World, home: ScriptedHome) -> None:
    down.cli("queue", "retry", "--domain", down.domain)
    down.wait_for_ledger(taken_in=2, delivered=2)
    assert {copy.recipients[0] for copy in home.messages} == {down.anna, down.ben}
