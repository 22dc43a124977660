"""A declared outage at a set time: it begins and ends by itself, to the second, also across a kill."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World


@pytest.fixture
def world(configured: str, home: ScriptedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Server(tmp_path_factory.mktemp("server"), configured) as server:
        yield World(server, home)


def test_a_plan_keeps_mail_here_from_its_beginning_to_its_end_across_a_kill(world: World) -> None:
    made = world.cli("domain", "plan", world.domain, "--from", "3s", "--until", "12s", "--note", "new disks")
    assert world.send("before").text.startswith("2.0.0")
    assert world.at_home("before")
    world.wait_for(lambda: mode(world) == "enabled")
    assert datetime.now(UTC) >= datetime.fromisoformat(made["from"])
    assert world.send("kept").code == 250
    world.server.stop(signal.SIGKILL)
    world.server.start()
    assert mode(world) == "enabled"
    assert world.send("kept after a kill").code == 250
    assert world.subjects() == ["kept", "kept after a kill"]
    assert world.ledger(taken_in=2, owed=2)
    assert world.cli("status", world.domain)[0]["plan"]["note"] == "new disks"
    world.wait_for_ledger(taken_in=2, delivered=2)
    assert len(world.home.messages) == 3
    assert datetime.now(UTC) >= datetime.fromisoformat(made["until"])
    assert [row["state"] for row in world.cli("domain", "plan", world.domain, "--list")] == ["ended"]


def test_a_plan_is_extended_and_ended_early(world: World) -> None:
    world.cli("domain", "plan", world.domain, "--from", "0s", "--until", "2s")
    world.cli("domain", "plan", world.domain, "--extend", "1h")
    assert world.send("kept").code == 250
    assert world.ledger(taken_in=1, owed=1)
    world.cli("domain", "plan", world.domain, "--end")
    world.wait_for_ledger(taken_in=1, delivered=1)


def mode(world: World) -> str:
    return str(world.cli("status", world.domain)[0]["mode"])
