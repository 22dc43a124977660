"""kill -9 at any moment: what was answered 250 is there and reaches home, and nothing does so under two ids."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

from tests.app.running import Server
from tests.crash.rounds import Plan, Rounds
from tests.fakes.home import Received, ScriptedHome, say
from tests.journeys.world import SENDER, World, message, same_message


def _by_subject(messages: list[Received]) -> dict[str, list[Received]]:
    found = defaultdict(list)
    for one in messages:
        found[one.subject].append(one)
    return found


def _check(world: World, answered: list[str]) -> None:
    """All of them reached home, those that did so twice under one id."""
    world.wait_for(lambda: world.report()["owed"] == 0, 60, lambda: f"{world.report()}")
    at_home = _by_subject(world.home.messages)
    missing = [subject for subject in answered if subject not in at_home]
    assert not missing
    for copies in at_home.values():
        assert same_message(copies), [copy.id for copy in copies]


def test_killed_under_mixed_load_loses_nothing_and_doubles_only_in_doubt(tmp_path: Path, database: str) -> None:
    """Two of the rounds of scripts/crash."""
    seed = int.from_bytes(os.urandom(3))
    rounds = Rounds(tmp_path, Plan(seed, database=database))
    try:
        happened = [rounds.round(), rounds.round(), rounds.judge()]
    finally:
        rounds.close()
    assert not rounds.books.faults, (seed, happened)
    assert rounds.figures.acknowledged


def test_killed_during_redelivery(tmp_path: Path, configured: str) -> None:
    with ScriptedHome() as home, Server(tmp_path, configured) as server:
        world = World(server, home)
        home.stop()
        subjects = [f"owed {number}" for number in range(60)]
        with world.smtp() as client:
            for number, subject in enumerate(subjects):
                client.sendmail(SENDER, [world.anna if number % 2 else world.ben], message(subject))
        home.on("message", say("250 2.0.0 taken", wait=0.02))
        home.start()
        for target in (10, 30):
            assert home.wait_for(lambda target=target: len(home.messages) >= target, 60)  # type: ignore[misc]
            server.stop(signal.SIGKILL)
            server.start()
        _check(world, subjects)
        # Only what was under way when it was killed may have come twice.
        assert len(home.messages) <= len(subjects) + 2 * 10
        world.wait_for_ledger(taken_in=60, delivered=60)


def test_a_clean_stop_during_redelivery_sends_nothing_twice(tmp_path: Path, configured: str) -> None:
    with ScriptedHome() as home, Server(tmp_path, configured) as server:
        world = World(server, home)
        home.stop()
        for number in range(30):
            assert world.send(f"owed {number}").code == 250
        home.on("message", say("250 2.0.0 taken", wait=0.05))
        home.start()
        assert home.wait_for(lambda: len(home.messages) >= 8, 60)
        assert server.stop() == 0
        server.start()
        world.wait_for_ledger(taken_in=30, delivered=30)
        assert [copy.subject for copy in home.messages] == [f"owed {number}" for number in range(30)]
