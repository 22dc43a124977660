"""Devices send the same octets again and again: a door that stands open, a backup that is done, with no true date.

Each that was answered 250 arrives, however the device closes; a client that vanished before it could read the answer,
and sends again, makes no second copy.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.journeys.test_submission import settings
from tests.journeys.world import PATIENCE, TIMEOUT, World, configuration

SENDER = "alarm@device.example"

_TLS = ssl._create_unverified_context()


@pytest.fixture(scope="module")
def outside() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outside: ScriptedHome
) -> Iterator[Server]:
    text = settings(configuration(request.config.getoption("database")), outside)
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


class Device:
    """A client that knows no more of SMTP than it needs. ``secured``: ``""``, ``"STARTTLS"`` or ``"TLS"``."""

    def __init__(self, world: World, door: str = "smtp", secured: str = "", login: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", world.server.ports[door]), timeout=PATIENCE)
        if secured == "TLS":
            self.socket = _TLS.wrap_socket(self.socket)
        self._sender = ""
        self.heard()
        self.ask(b"EHLO device.example")
        if secured == "STARTTLS":
            self.ask(b"STARTTLS")
            self.socket = _TLS.wrap_socket(self.socket)
            self.ask(b"EHLO device.example")
        if login:
            self.ask(b"AUTH LOGIN")
            self.ask(b64encode(login.encode()))
            assert self.ask(b64encode(b"secret")).startswith(b"235")

    def heard(self) -> bytes:
        """The next reply, all lines of it."""
        said = b""
        while not said.endswith(b"\r\n") or said[:-2].rpartition(b"\r\n")[2][3:4] == b"-":
            piece = self.socket.recv(65536)
            if not piece:
                break
            said += piece
        return said

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line + b"\r\n")
        return self.heard()

    def envelope(self, sender: str, recipient: str) -> None:
        self._sender = sender
        self.ask(f"MAIL FROM:<{sender}>".encode())
        assert self.ask(f"RCPT TO:<{recipient}>".encode()).startswith(b"250")
        assert self.ask(b"DATA").startswith(b"354")

    def data(self, subject: str, behind: bytes = b"") -> None:
        self.socket.sendall(alarm(self._sender, subject) + b".\r\n" + behind)

    def reset(self) -> None:
        """It is gone, and what it had not read with it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def alarm(sender: str, subject: str) -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\n\r\nThe door is open.\r\n".encode()


def closes(device: Device, subject: str) -> None:
    """Reads 250 and closes without QUIT."""
    device.data(subject)
    assert device.heard().startswith(b"250")
    device.socket.close()


def quits_early(device: Device, subject: str) -> None:
    """QUIT behind the final dot."""
    device.data(subject, b"QUIT\r\n")
    answers = b""
    while piece := device.socket.recv(65536):
        answers += piece
    assert answers.startswith(b"250")
    device.socket.close()


def skips_goodbye(device: Device, subject: str) -> None:
    """QUIT behind the final dot, and closes as soon as it has read 250, as Postfix does."""
    device.data(subject, b"QUIT\r\n")
    assert device.heard().startswith(b"250")
    device.socket.close()


def closes_early(device: Device, subject: str) -> None:
    """Closes its direction behind the final dot, and reads on."""
    device.data(subject)
    device.socket.shutdown(socket.SHUT_WR)
    assert device.heard().startswith(b"250")
    device.socket.close()


Habit = Callable[[Device, str], None]


@pytest.mark.parametrize("away", [False, True], ids=["home up", "outage"])
@pytest.mark.parametrize(
    ("secured", "habit"),
    [
        ("", closes),
        ("", quits_early),
        ("", skips_goodbye),
        ("", closes_early),  # TLS knows no half of a close
        ("STARTTLS", closes),
        ("STARTTLS", quits_early),
        ("STARTTLS", skips_goodbye),
    ],
    ids=lambda value: getattr(value, "__name__", value or "plain"),
)
def test_every_one_of_the_same_octets_arrives(world: World, habit: Habit, secured: str, away: bool) -> None:
    if away:
        world.home.stop()
    for _ in range(3):
        device = Device(world, secured=secured)
        device.envelope(SENDER, world.anna)
        habit(device, "again")
    if away:
        assert world.subjects() == ["again"] * 3
    else:
        world.wait_for(lambda: len(world.home.received("again")) == 3)


@pytest.mark.parametrize("away", [False, True], ids=["home up", "outage"])
def test_clients_that_only_keep_silent_after_their_answer_hold_up_nobody(world: World, away: bool) -> None:
    if away:
        world.home.stop()
    with contextlib.ExitStack() as open_still:
        for _ in range(3):
            device = Device(world)
            open_still.callback(device.socket.close)
            device.envelope(SENDER, world.anna)
            device.data("idle")
            assert device.heard().startswith(b"250")
    if away:
        assert world.subjects() == ["idle"] * 3
    else:
        world.wait_for(lambda: len(world.home.received("idle")) == 3)


@pytest.mark.parametrize(("door", "secured"), [("submission", "STARTTLS"), ("submissions", "TLS")])
@pytest.mark.parametrize("habit", [closes, quits_early, skips_goodbye], ids=lambda habit: habit.__name__)
def test_every_reminder_that_a_user_submits_leaves(
    world: World, outside: ScriptedHome, habit: Habit, door: str, secured: str
) -> None:
    subject = f"reminder of {world.domain}"
    for _ in range(2):
        device = Device(world, door, secured, login=world.anna)
        device.envelope(world.anna, "eve@world.example")
        habit(device, subject)
    world.wait_for(lambda: len(outside.received(subject)) == 2)
    assert len(world.subjects(folder="Sent")) == 2


# Clients that vanish

_KILLED = """
import socket, ssl, sys, time
port, secured, anna = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = socket.create_connection(("127.0.0.1", port))
client.recv(9999)
def ask(line):
    client.sendall(line + b"\\r\\n")
    time.sleep(0.05)
    return client.recv(9999)
ask(b"EHLO device.example")
if secured:
    ask(b"STARTTLS")
    context = ssl._create_unverified_context()
    client = context.wrap_socket(client)
    ask(b"EHLO device.example")
ask(b"MAIL FROM:<%b>" % sys.argv[4].encode())
ask(b"RCPT TO:<%b>" % anna.encode())
ask(b"DATA")
client.sendall(sys.argv[5].encode() + b".\\r\\n")
print("sent", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("away", [False, True], ids=["home up", "outage"])
@pytest.mark.parametrize("secured", ["", "STARTTLS"])
@pytest.mark.parametrize("when", ["before the answer", "before it reads"])
def test_a_client_that_is_killed_before_it_reads_makes_one_copy(
    world: World, secured: str, away: bool, when: str
) -> None:
    if away:
        world.home.stop()
    else:
        world.home.on("message", say("250 2.0.0 taken", wait=0.4))
    arguments = (str(world.server.ports["smtp"]), secured, world.anna, SENDER, alarm(SENDER, "killed").decode())
    with subprocess.Popen([sys.executable, "-c", _KILLED, *arguments], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"sent\n"
        if when == "before it reads":
            if away:
                world.wait_for(lambda: world.subjects() == ["killed"])
            else:
                world.at_home("killed")
                time.sleep(0.4)
            time.sleep(0.3)
        client.send_signal(signal.SIGKILL)
    if away:
        world.wait_for(lambda: world.subjects() == ["killed"])
    else:
        world.at_home("killed")
        time.sleep(0.6)
    device = Device(world, secured=secured)
    device.envelope(SENDER, world.anna)
    closes(device, "killed")
    time.sleep(0.2)
    copies = world.subjects() if away else world.home.received("killed")
    assert len(copies) == 1


@pytest.mark.parametrize("secured", ["", "STARTTLS"])
def test_a_client_that_resets_the_connection_and_repeats_makes_one_copy(world: World, secured: str) -> None:
    world.home.stop()
    device = Device(world, secured=secured)
    device.envelope(SENDER, world.anna)
    device.data("reset")
    world.wait_for(lambda: world.subjects() == ["reset"])
    time.sleep(0.3)
    device.reset()
    for _ in range(2):  # told now, so the second one is another message
        device = Device(world, secured=secured)
        device.envelope(SENDER, world.anna)
        closes(device, "reset")
    assert world.subjects() == ["reset"] * 2


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_what_was_acknowledged_is_another_message_also_after_a_restart(
    tmp_path: Path, configured: str, kill: bool
) -> None:
    with ScriptedHome() as home, Server(tmp_path, configured) as server:
        world = World(server, home)
        home.stop()
        device = Device(world)
        device.envelope(SENDER, world.anna)
        closes(device, "restart")
        time.sleep(2 * TIMEOUT)
        server.stop(signal.SIGKILL if kill else signal.SIGTERM)
        server.start()
        device = Device(world)
        device.envelope(SENDER, world.anna)
        closes(device, "restart")
        assert world.subjects() == ["restart"] * 2
