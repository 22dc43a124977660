"""A home server that is cut off gets nothing, whoever asks, until that is lifted; then what is released goes there."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, message


@pytest.fixture
def world(configured: str, home: ScriptedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Server(tmp_path_factory.mktemp("server"), configured) as server:
        yield World(server, home)


def submit(world: World, subject: str) -> None:
    with world.smtp() as client:
        client.login(world.anna, "secret")
        client.sendmail(world.anna, [world.ben], message(subject, sender=world.anna))


def test_nothing_goes_there_until_it_is_lifted_and_then_what_is_released(world: World, home: ScriptedHome) -> None:
    world.home.stop()
    assert world.send("owed before", world.ben).code == 250
    assert world.cli("contain", world.domain, "on", "--note", "ransomware")["kept"] == 1
    home.start()  # it answers, and nobody trusts it
    world.wait_for(lambda: world.state() != "down")
    assert world.send("kept").code == 250
    assert world.send("for nobody here", f"nobody@{world.domain}").code == 451
    submit(world, "from anna")  # her copy for Sent at home, and the message to ben
    world.wait_for_ledger(taken_in=4, owed=4)
    world.cli("queue", "retry", "--domain", world.domain)
    with world.smtp() as client:
        client.ehlo("home.example")
        assert client.docmd("ETRN", world.domain)[0] == 458
    world.server.stop(signal.SIGKILL)
    world.server.start()
    world.wait_for(lambda: world.state() != "down")
    trial = world.server.run("domain", "test", world.domain)
    assert trial.returncode == 1
    assert "is cut off" in trial.stderr
    status = world.cli("status", world.domain)[0]
    assert (status["kept"], status["contained"] is not None) == (4, True)
    assert home.messages == []
    assert [command for _, command in home.commands if command.startswith("DATA")] == []

    assert world.cli("contain", world.domain, "off")["kept"] == 4
    assert world.send("new").code == 250
    assert world.at_home("new")
    world.server.stop(signal.SIGKILL)
    world.server.start()
    kept = world.cli("contain", world.domain, "list")
    assert [row["subject"] for row in kept][:2] == ["owed before", "kept"]
    assert [copy.subject for copy in home.messages] == ["new"]
    assert world.cli("contain", world.domain, "release", kept[1]["id"])["kept"] == 3
    world.wait_for_ledger(taken_in=4, delivered=1, owed=3)
    assert [copy.subject for copy in home.messages] == ["new", "kept"]
    assert world.cli("contain", world.domain, "release", "--all") == {
        "domain": world.domain,
        "released": 3,
        "kept": 0,
    }
    world.wait_for_ledger(taken_in=4, delivered=4)
    assert sorted(copy.subject for copy in home.messages) == ["from anna", "from anna", "kept", "new", "owed before"]
