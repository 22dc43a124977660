"""Starts that are killed at any moment, the very first one and that of an upgrade too, and stops under load."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE
from tests.app.running import Server
from tests.crash.power import Power, library
from tests.fakes.home import ScriptedHome
from tests.journeys.world import CONFIGURATION, World

pytestmark = pytest.mark.sqlite  # PostgreSQL is upgraded by a command

STARTS = 8


def _made_by_the_first_release(database: Path) -> None:
    """A database of schema 0001, with a domain in it."""
    database.parent.mkdir(mode=0o700)
    engine = create_engine("sqlite://", module=sqlite, creator=lambda: sqlite.connect(str(database)))
    config = Config()
    config.set_main_option("script_location", "mpcontinuity.store:migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite.connect(str(database))) as connection:
        connection.execute("INSERT INTO domain (id, name) VALUES (7, 'old.example')")
        connection.commit()


def _storm(server: Server, chance: random.Random, cut: Callable[[], object]) -> None:
    """Most of what a start does to the data folder, it does within half a second after the folder is there."""
    sign = server.folder / "data" / "lock"
    for _ in range(STARTS):
        sign.unlink(missing_ok=True)
        server.launch()
        server.wait_for(sign.exists, 60)
        time.sleep(chance.uniform(0, 0.5))
        server.stop(signal.SIGKILL)
        cut()


@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
@pytest.mark.parametrize("upgraded", [False, True], ids=["first start", "upgrade"])
def test_a_start_that_never_came_to_its_end_is_followed_by_one_that_does(
    tmp_path: Path, home: ScriptedHome, upgraded: bool, power: bool
) -> None:
    if power and library() is None:
        pytest.skip("no loss of power: there is no C compiler")
    seed = int.from_bytes(os.urandom(3))
    server = Server(tmp_path, CONFIGURATION, makes_database=not upgraded)
    data = tmp_path / "data"
    if upgraded:
        _made_by_the_first_release(data / DATABASE)
    machine = Power(data, random.Random(seed)) if power else None
    if machine is not None:
        server.environment.update(machine.environment)
    _storm(server, random.Random(seed), machine.cut if machine is not None else lambda: None)
    with server:
        world = World(server, home)
        home.stop()
        assert world.send("after the storm").code == 250, seed
        assert world.subjects() == ["after the storm"]
        domains = {row["domain"] for row in world.cli("status")}
        assert domains == {world.domain} | ({"old.example"} if upgraded else set()), seed
    assert "Traceback" not in server.log.read_text(), seed
    if upgraded:
        with closing(sqlite.connect(str(data / f"{DATABASE}.before-{HEAD}"))) as copy:
            assert copy.execute("SELECT name FROM domain").fetchall() == [("old.example",)]


def test_a_stop_under_load_is_clean_and_quick(tmp_path: Path, home: ScriptedHome) -> None:
    with Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        answered: list[str] = []
        ended = threading.Event()

        def send(sender: int) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                try:
                    if world.send(subject := f"load {sender} {number}").code == 250:
                        answered.append(subject)
                except OSError:  # smtplib's exceptions are of this kind
                    time.sleep(0.05)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        for up in (True, False):
            if not up:
                home.stop()
            time.sleep(0.7)
            assert server.stop() == 0  # within 12 s, or it raises
            server.start()
        ended.set()
        for sender in senders:
            sender.join()
        home.start()
        world.wait_for(lambda: world.report()["owed"] == 0, 60)
        at_home = [copy.subject for copy in home.messages]
        assert answered
        assert set(answered) <= set(at_home)
        assert len(at_home) == len(set(at_home))
        assert "Traceback" not in server.log.read_text()


def test_mail_for_a_home_whose_address_has_become_ours_waits(tmp_path: Path) -> None:
    """Its old name leads here now. Before, it went round, and the third round was refused as a loop."""
    with ScriptedHome() as home, Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        server.stop()
        home.stop()
        doors = f'smtp = ["tcp:0:interface=127.0.0.1", "tcp:{home.port}:interface=127.0.0.1"]'
        server.config.write_text(CONFIGURATION.replace('smtp = ["tcp:0:interface=127.0.0.1"]', doors))
        begin = server.log.stat().st_size
        server.start()
        server.ports["smtp"] = home.port
        for number in range(3):
            assert world.send(f"round {number}").code == 250
        world.wait_for(lambda: world.state() == "down")
        assert world.subjects() == [f"round {number}" for number in range(3)]
        assert world.report()["owed"] == 3
        assert "is this server itself" in server.said(begin)
        server.stop()
        server.config.write_text(CONFIGURATION)
        home.start()
        server.start()
        world.wait_for_ledger(taken_in=3, delivered=3)
