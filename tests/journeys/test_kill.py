"""kill -9 at any moment: what was answered 250 is there and reaches home, and nothing does so under two ids."""

from __future__ import annotations

import signal
import smtplib
import threading
import time
from collections import defaultdict
from collections.abc import Set
from pathlib import Path

import pytest

from tests.app.server import Server
from tests.fakes.home import Received, ScriptedHome, say
from tests.journeys.world import CONFIGURATION, SENDER, World, message, same_message


class Flood:
    """Senders that go on until they are told to end, each with one session as long as it holds. As a mail server does,
    they repeat what was not answered."""

    def __init__(self, world: World, sessions: int) -> None:
        self.answered: list[str] = []  # subjects with a 250
        self.broken: set[str] = set()  # of those, the ones whose first attempt had no answer
        self._world = world
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(sessions)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, number: int) -> None:
        count = 1
        while not self._ended.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._world.server.ports["smtp"], timeout=10) as client:
                    while not self._ended.is_set():
                        subject = f"flood {number} {count}"
                        client.sendmail(SENDER, [self._world.anna], message(subject))
                        self.answered.append(subject)
                        count += 1
            except (smtplib.SMTPException, OSError):
                self.broken.add(f"flood {number} {count}")
                time.sleep(0.05)


def _by_subject(messages: list[Received]) -> dict[str, list[Received]]:
    found = defaultdict(list)
    for one in messages:
        found[one.subject].append(one)
    return found


def _check(world: World, answered: list[str], broken: Set[str] = frozenset()) -> None:
    """All of them reached home, those that did so twice under one id, unless their sender had to repeat them."""
    world.wait_for(lambda: world.report()["owed"] == 0, 40, lambda: f"{world.report()}")
    at_home = _by_subject(world.home.messages)
    missing = [subject for subject in answered if subject not in at_home]
    assert not missing
    for subject, copies in at_home.items():
        assert len(copies) == 1 or same_message(copies) or subject in broken, [copy.id for copy in copies]


@pytest.mark.parametrize("home_is_up", [False, True], ids=["in an outage", "while mail passes through"])
def test_killed_in_a_flood(tmp_path: Path, home_is_up: bool) -> None:
    with ScriptedHome() as home, Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        if not home_is_up:
            home.stop()
        flood = Flood(world, 8)
        for _ in range(2):
            time.sleep(0.7)
            server.stop(signal.SIGKILL)
            server.start()
        time.sleep(0.5)
        flood.end()
        assert len(flood.answered) > 50
        if not home_is_up:
            kept = set(world.subjects())
            assert kept.issuperset(flood.answered)
            home.start()
        _check(world, flood.answered, flood.broken)
        assert "Traceback" not in server.log.read_text()


def test_killed_during_redelivery(tmp_path: Path) -> None:
    with ScriptedHome() as home, Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        home.stop()
        subjects = [f"owed {number}" for number in range(60)]
        with world.smtp() as client:
            for number, subject in enumerate(subjects):
                client.sendmail(SENDER, [world.anna if number % 2 else world.ben], message(subject))
        home.on("message", say("250 2.0.0 taken", wait=0.02))
        home.start()
        for target in (10, 30):
            assert home.wait_for(lambda target=target: len(home.messages) >= target, 20)  # type: ignore[misc]
            server.stop(signal.SIGKILL)
            server.start()
        _check(world, subjects)
        # Only what was under way when it was killed may have come twice.
        assert len(home.messages) <= len(subjects) + 2 * 10
        world.wait_for_ledger(taken_in=60, delivered=60)


def test_a_clean_stop_during_redelivery_sends_nothing_twice(tmp_path: Path) -> None:
    with ScriptedHome() as home, Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        home.stop()
        for number in range(30):
            assert world.send(f"owed {number}").code == 250
        home.on("message", say("250 2.0.0 taken", wait=0.05))
        home.start()
        assert home.wait_for(lambda: len(home.messages) >= 8, 20)
        assert server.stop() == 0
        server.start()
        world.wait_for_ledger(taken_in=30, delivered=30)
        assert [copy.subject for copy in home.messages] == [f"owed {number}" for number in range(30)]
