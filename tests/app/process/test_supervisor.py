"""systemd as our end of its socket sees it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mpcontinuity.app.process.supervisor import Supervisor
from mpcontinuity.app.service import Options

UNIT = Path(__file__).parents[3] / "systemd" / "mpcontinuity.service"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return said


def test_it_is_told_when_the_server_is_ready_and_when_it_stops(systemd: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}, Clock())
    supervisor.ready()
    supervisor.stopping()
    assert heard(systemd) == ["READY=1", "STOPPING=1"]


def test_a_reload_says_when_it_began(systemd: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}, Clock())
    supervisor.reloading()
    (said,) = heard(systemd)
    assert said.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_the_watchdog_hears_twice_in_its_time_until_the_end(systemd: socket.socket) -> None:
    clock = Clock()
    environment = {
        "NOTIFY_SOCKET": systemd.getsockname(),
        "WATCHDOG_USEC": "20000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    supervisor = Supervisor(environment, clock)
    supervisor.ready()
    clock.pump([10, 10])
    supervisor.ready()  # after a reload
    assert heard(systemd) == ["READY=1", *["WATCHDOG=1"] * 3, "READY=1"]
    supervisor.stopping()
    clock.pump([10, 10])
    assert heard(systemd) == ["STOPPING=1"]


def test_a_watchdog_of_another_process_is_left_alone(systemd: socket.socket) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}
    Supervisor(environment, clock).ready()
    clock.pump([10, 10])
    assert heard(systemd) == ["READY=1"]


def test_without_systemd_nothing_is_said_and_without_its_socket_nothing_breaks(tmp_path: Path) -> None:
    clock = Clock()
    Supervisor({}, clock).ready()
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "2000000"}, clock).ready()
    assert len(clock.getDelayedCalls()) == 1


def test_the_unit_starts_us_with_options_that_we_have_as_a_user_of_its_own() -> None:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["User"] not in ("", "root")
    assert int(service["WatchdogSec"]) > 0
    command = service["ExecStart"].split()
    assert command[:4] == [command[0], "--nodaemon", "--pidfile=", "mpcontinuity"]
    options = Options()
    options.parseOptions(command[4:])
    assert not options["allow-root"]
