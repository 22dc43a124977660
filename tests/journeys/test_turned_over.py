"""Mail that home did not take yet when an outage is declared: users have it at once, and home gets it once, later."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.journeys.world import World, message


@pytest.fixture
def world(configured: str, home: ScriptedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What is put off is tried again in an hour."""
    text = configured.replace("first = 0.2", 'first = "1h"').replace("longest = 0.5", 'longest = "1h"')
    with Server(tmp_path_factory.mktemp("server"), text) as server:
        yield World(server, home)


def submit(world: World, subject: str) -> None:
    """From anna to ben."""
    with world.smtp() as client:
        client.login(world.anna, "secret")
        client.sendmail(world.anna, [world.ben], message(subject, sender=world.anna))


def waiting(world: World) -> list[str]:
    rows = world.cli("queue", "list", "--domain", world.domain)
    return [row["subject"] for row in rows if row["kind"] == "outbound" and row["attempts"]]


def test_what_waits_in_the_queue_is_in_inbox_at_once_and_goes_home_once(world: World, home: ScriptedHome) -> None:
    world.cli("domain", "set", world.domain, "redirect-on=outage", "sent-to-home=off")
    home.on("rcpt", say("452 4.2.2 mailbox full"), recipient=world.ben)
    subjects = [f"put off {number}" for number in range(5)]
    for subject in subjects:
        submit(world, subject)
    world.wait_for(lambda: sorted(waiting(world)) == subjects)
    assert world.subjects(world.ben) == []
    world.cli("domain", "set", world.domain, "mode=enabled")
    world.server.stop(signal.SIGKILL)  # somewhere in the middle
    world.server.start()
    world.wait_for(lambda: sorted(world.subjects(world.ben)) == subjects)
    world.wait_for_ledger(taken_in=5, owed=5)
    home.clear()
    world.cli("domain", "set", world.domain, "mode=disabled")
    world.wait_for_ledger(taken_in=5, delivered=5)
    assert sorted(copy.subject for copy in home.messages) == subjects
    assert sorted(world.subjects(world.ben)) == subjects
