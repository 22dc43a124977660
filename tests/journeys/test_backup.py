"""Backups of a server under load, restored and served; a check beside a server."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from mpcontinuity.app.commands.main import main
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import CONFIGURATION, SENDER, World, message


class Flood:
    """Senders with a session each, until they are told to end."""

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
        count = 0
        with self._world.smtp() as client:
            while not self._ended.is_set():
                count += 1
                subject = f"flood {number} {count}"
                client.sendmail(SENDER, [self._world.anna], message(subject))
                self.answered.append(subject)


class Deleting:
    """Anna, who deletes the older half of what she sees, again and again."""

    def __init__(self, world: World) -> None:
        self.deleted: set[str] = set()
        self.rounds = 0
        self._world = world
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(30)

    def _work(self) -> None:
        while not self._ended.wait(0.1):
            subjects = self._world.subjects()
            half = len(subjects) // 2
            if half:
                self.deleted.update(subjects[:half])
                with self._world.imap() as session:
                    session.store(f"1:{half}", "+FLAGS", "\\Deleted")
                    session.expunge()
                self.rounds += 1


def run(config: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(main, ["--config", str(config), *arguments])
    assert done.exit_code == 0, done.output
    return done


def _age_packs(folder: Path) -> int:
    """The day of every pack has come: the next start empties them. How many."""
    with closing(sqlite3.connect(folder / "data" / "mpcontinuity.sqlite")) as connection:
        changed = connection.execute("UPDATE pack SET day = 1").rowcount
        connection.execute("UPDATE archive SET expires = 1")
        connection.execute("UPDATE body SET keep_until = 1 WHERE keep_until > 0")
        connection.commit()
    return changed


def test_a_backup_in_a_flood_while_packs_are_emptied_has_all_that_was_answered_before(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    with ScriptedHome() as home, Server(old, CONFIGURATION) as server:
        world = World(server, home)
        home.stop()
        with world.smtp() as client:
            for number in range(150):
                client.sendmail(
                    "bob@sender.example", [world.anna], b"Subject: early %d\r\n\r\n%b\r\n" % (number, b"x" * 900)
                )
        with world.imap() as session:
            session.store("1:100", "+FLAGS", "\\Deleted")
            session.expunge()
        world.cli("queue", "remove", *[row["id"] for row in world.cli("queue", "list")][:100])
        server.stop()
        assert _age_packs(old) >= 1
        server.start()
        flood, deleting = Flood(world, 4), Deleting(world)
        reports = []
        try:
            for _ in range(3):
                time.sleep(0.4)
                reports.append((list(flood.answered), world.cli("backup", str(tmp_path / "backup"))))
            time.sleep(0.3)
        finally:
            flood.end()
            deleting.end()
        assert len(flood.answered) > 50
        assert deleting.rounds > 1
        answered, made = reports[-1]
        assert made["copied"] < made["total"]  # incremental
        assert run(server.config, "check").exit_code == 0
    (new / "mpcontinuity.toml").write_text(CONFIGURATION)
    run(new / "mpcontinuity.toml", "restore", str(tmp_path / "backup"))
    run(new / "mpcontinuity.toml", "check")
    with Server(new, CONFIGURATION) as restored:
        world.server = restored
        # What was deleted while the backup was being made may be in it or not.
        there = set(world.subjects())
        assert there >= set(answered) - deleting.deleted
        assert {f"early {number}" for number in range(100, 150)} - deleting.deleted <= there
        world.report()
        assert "Traceback" not in restored.log.read_text()


def test_a_check_beside_a_server_says_what_it_looked_at(world: World) -> None:
    assert world.send("to be checked").code == 250
    row = world.cli("check")
    assert row["findings"] == 0
    assert row["messages"] > 0
    assert {one["kind"] for one in row["list"]} <= {"note"}


def test_the_command_refuses_to_repair_beside_a_server(world: World) -> None:
    done = CliRunner().invoke(main, ["--config", str(world.server.config), "check", "--repair"])
    assert done.exit_code == 1
    assert "stop it" in done.output


def test_a_server_does_not_start_on_an_older_database_and_says_what_to_do(tmp_path: Path) -> None:
    with ScriptedHome() as home, Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        home.stop()
        world.cli("backup", str(tmp_path / "backup"))
        assert world.send("after the backup").code == 250
        server.stop()
        for path in (tmp_path / "data").glob("mpcontinuity.sqlite*"):
            path.unlink()
        copy = next((tmp_path / "backup").rglob("mpcontinuity.sqlite"))
        (tmp_path / "data" / "mpcontinuity.sqlite").write_bytes(copy.read_bytes())
        refused = server.run("serve")
        assert refused.returncode == 1
        assert refused.stderr.strip().count("\n") == 0 or "check --repair" in refused.stderr.splitlines()[-1]
        said = json.loads(run(server.config, "check", "--repair", "--json").stdout)
        assert said["findings"] == said["repaired"] > 0
        server.start()
        assert world.subjects() == ["after the backup"]
        home.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
