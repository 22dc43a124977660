"""The machine's clock jumps while mail waits: nothing is bounced by that, and everybody is told."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.journeys.world import World, configuration, message

_TLS = ssl._create_unverified_context()
_DAYS = 10 * 86400

# Python runs it before anything else. The monotonic clock of the machine is left as it is.
_WRONG_CLOCK = """
import time
_time_ns = time.time_ns
def time_ns():
    with open({path!r}) as offset:
        return _time_ns() + int(float(offset.read() or 0) * 1e9)
time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        running.on("rcpt", say("450 4.2.1 not now"))
        yield running


class Wall:
    """The clock of the server's process."""

    def __init__(self, folder: Path) -> None:
        self.offset = folder / "offset"
        self.offset.write_text("0")
        (folder / "sitecustomize.py").write_text(_WRONG_CLOCK.format(path=str(self.offset)))
        self.environment = {"PYTHONPATH": str(folder)}

    def jump(self, seconds: float) -> None:
        self.offset.write_text(str(seconds))


def test_ten_days_ahead_for_some_seconds_expire_nothing(tmp_path: Path, database: str, outside: ScriptedHome) -> None:
    (tmp_path / "wall").mkdir()
    wall = Wall(tmp_path / "wall")
    text = configuration(database).replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
    server = Server(tmp_path, f'{text}\n[outbound]\nroute = "smtp://{outside.address}"\n')
    server.environment = wall.environment
    with server, ScriptedHome() as home:
        world = World(server, home)
        home.on("rcpt", say("450 4.2.1 not now"), sender="bob@sender.example")
        assert world.send("for home").code == 250
        with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=60) as client:
            client.starttls(context=_TLS)
            client.login(world.anna, "secret")
            client.sendmail(world.anna, ["eve@world.example"], message("for the world", sender=world.anna))
        before = outside.sessions, home.sessions
        wall.jump(_DAYS)
        time.sleep(6)
        assert (outside.sessions, home.sessions) > before  # tried meanwhile
        rows = world.cli("queue", "list", "--domain", world.domain)
        assert sorted(row["kind"] for row in rows) == ["outbound", "redelivery"]
        wall.jump(0)
        time.sleep(2)
        rows = world.cli("queue", "list", "--domain", world.domain)
        assert sorted(row["kind"] for row in rows) == ["outbound", "redelivery"]
        assert "clock jumped ahead by 10 d 0 h" in server.log.read_text()
        world.wait_for(lambda: "s only" in server.log.read_text())
        told = [row for row in json.loads(server.run("doctor", "--json").stdout) if row["check"] == "clock"]
        assert any(row["verdict"] == "warning" and "jumped ahead by 10 d 0 h" in row["text"] for row in told), told
        home.clear()
        outside.clear()
        world.wait_for(lambda: not world.cli("queue", "list", "--domain", world.domain))
        assert len(outside.received("for the world")) == 1
        assert world.report()["expired"] == 0


def test_what_a_clock_that_was_wrong_at_boot_put_off_for_a_year_is_sent_when_it_is_right(tmp_path: Path) -> None:
    (tmp_path / "wall").mkdir()
    wall = Wall(tmp_path / "wall")
    wall.jump(400 * 86400)
    server = Server(tmp_path, configuration())
    server.environment = wall.environment
    with server, ScriptedHome() as home:
        world = World(server, home)
        home.on("rcpt", say("450 4.2.1 not now"), sender="bob@sender.example")
        assert world.send("a year early").code == 250
        world.wait_for(lambda: world.cli("queue", "list", "--domain", world.domain)[0]["attempts"] > 1)
        assert server.stop() == 0
        wall.jump(0)
        home.clear()
        server.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
        assert "while no server ran" in server.log.read_text()
