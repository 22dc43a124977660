"""Where messages are kept: in the database, or in a folder that several servers share."""

from __future__ import annotations

import copy
import itertools
import signal
import smtplib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.running import Server, command
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import fresh_database
from tests.journeys.world import CONFIGURATION, SENDER, TIMEOUT, World, configuration, literal, message, same_message

_PATIENCE = 40.0  # s, for servers that start at a time


def in_database(database: str) -> str:
    chosen = configuration(database)
    section = "" if "[store]" in chosen else "[store]\n"
    return f'{chosen}\n{section}messages = "database"\n'


@contextmanager
def serving(folder: Path, configuration: str) -> Iterator[Server]:
    server = Server(folder, configuration)
    server.start(_PATIENCE)
    try:
        yield server
    finally:
        if server.running:
            server.stop()


class Flood:
    """Senders that begin a new message whatever became of the last one."""

    def __init__(self, world: World, sessions: int) -> None:
        self.answered: list[str] = []  # subjects with a 250
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
        for count in itertools.count():
            subject = f"flood {number} {count}"
            try:
                with smtplib.SMTP("127.0.0.1", self._world.server.ports["smtp"], timeout=60) as client:
                    client.sendmail(SENDER, [self._world.anna], message(subject))
                    self.answered.append(subject)
            except (smtplib.SMTPException, OSError):
                time.sleep(0.05)
            if self._ended.is_set():
                return


@pytest.mark.parametrize(("database", "home_is_up"), [("sqlite", True), ("postgresql", False)], indirect=["database"])
def test_killed_in_a_flood_with_messages_in_the_database(tmp_path: Path, database: str, home_is_up: bool) -> None:
    with ScriptedHome() as home, serving(tmp_path, in_database(database)) as server:
        world = World(server, home)
        if not home_is_up:
            home.stop()
        flood = Flood(world, 6)
        for target in (25, 60):
            server.wait_for(lambda target=target: len(flood.answered) >= target, 60)
            server.stop(signal.SIGKILL)
            server.start(_PATIENCE)
        flood.end()
        if not home_is_up:
            assert set(world.subjects()).issuperset(flood.answered)
            home.start()
        world.wait_for(lambda: world.report()["owed"] == 0, 60, lambda: f"{world.report()}")
        copies = defaultdict(list)
        for one in home.messages:
            copies[one.subject].append(one)
        assert copies.keys() >= set(flood.answered)
        assert all(same_message(each) for each in copies.values())
        assert not list((tmp_path / "data" / "packs").glob("*.pack"))
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_large_message_in_the_database_passes_is_redirected_is_read_and_comes_home(
    tmp_path: Path, database: str
) -> None:
    body = "\r\n".join(f"line {number:06}" for number in range(200_000))
    patient = in_database(database).replace(f"message_timeout = {TIMEOUT}", "message_timeout = 10")
    with ScriptedHome() as home, serving(tmp_path, patient) as server:
        world = World(server, home)
        assert world.send("passed", body=body).code == 250
        home.stop()
        assert world.send("kept", body=body).code == 250
        with world.imap() as session:
            data: Any = session.fetch("1", "(BODY.PEEK[TEXT]<1000000.30000>)")[1]
            assert literal(data).decode() == f"{body}\r\n"[1_000_000:1_030_000]
        home.start()
        for subject in ("passed", "kept"):
            [one] = world.at_home(subject)
            assert one.data.decode().endswith(f"\r\n\r\n{body}\r\n")
        world.wait_for_ledger(taken_in=1, delivered=1)
        assert not [path for path in (tmp_path / "data" / "packs").iterdir() if path.suffix]  # pack or spool


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Server, Server]:
    """Two servers with one folder of data and one PostgreSQL."""
    store = f'\n[store]\ndatabase = "{fresh_database()}"\n'
    servers = []
    for number in (1, 2):
        folder = tmp_path / f"node{number}"
        folder.mkdir()
        servers.append(Server(folder, f'data_dir = "{tmp_path}/data"\n{CONFIGURATION}{store}'))
    return servers[0], servers[1]


def test_two_servers_share_a_folder_and_one_goes_on_when_the_other_is_killed(shared: tuple[Server, Server]) -> None:
    first, second = shared
    with ScriptedHome() as home:
        for server in shared:
            server.start(_PATIENCE)
        try:
            one = World(first, home)
            other = copy.copy(one)
            other.server = second
            home.stop()
            large = "\r\n".join("x" * 70 for _ in range(30_000))
            for number, world in enumerate((one, other, one)):
                assert world.send(f"kept {number}", body=large if number == 2 else "Hello.").code == 250
            for world in (one, other):
                assert world.subjects() == ["kept 0", "kept 1", "kept 2"]
                with world.imap() as session:
                    data: Any = session.fetch("3", "(BODY.PEEK[TEXT])")[1]
                    assert literal(data).decode() == f"{large}\r\n"
            first.stop(signal.SIGKILL)
            assert other.send("kept 3").code == 250
            assert other.subjects() == ["kept 0", "kept 1", "kept 2", "kept 3"]
            home.start()
            other.wait_for_ledger(taken_in=4, delivered=4, seconds=40)
            socket = first.folder.parent / "data" / "control.sock"
            second.wait_for(lambda: socket.exists())
            assert len(second.json("domain", "list")) == 1
            first.start(_PATIENCE)
            assert one.send("passed").code == 250
            assert one.at_home("passed")
        finally:
            for server in shared:
                if server.running:
                    server.stop()
        assert all("Traceback" not in server.log.read_text() for server in shared)


def test_a_second_server_with_another_folder_is_told_what_works(tmp_path: Path) -> None:
    store = f'\n[store]\ndatabase = "{fresh_database()}"\n'
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with serving(folders[0], CONFIGURATION + store):
        second = Server(folders[1], CONFIGURATION + store)
        second.launch()
        assert second.wait(_PATIENCE) == 1
        [line] = second.log.read_text().splitlines()[-1:]
        assert "share that folder between all servers" in line
        # What an administrator does without a server is not about messages, and goes on.
        assert command("domain", "list", config=second.config).returncode == 0
