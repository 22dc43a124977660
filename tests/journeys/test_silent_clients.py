"""Clients that open connections and say nothing: others are served meanwhile, and what they hold is soon free."""

from __future__ import annotations

import contextlib
import imaplib
import os
import resource
import select
import smtplib
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.journeys.world import configuration

OTHER = "127.0.0.2"  # another host than the one that misbehaves
PATIENCE = 3.0  # s for a handshake, by the configuration
UNVERIFIED = ssl._create_unverified_context()


def doors() -> str:
    text = configuration()
    for door in ("imaps", "pop3s", "submissions", "metrics"):
        text = text.replace(f"{door} = []", f'{door} = ["tcp:0:interface=127.0.0.1"]')
    return f'{text}\n[limits]\nhandshake = "{PATIENCE:g}s"\n'


def add_anna(server: Server) -> None:
    server.json("domain", "add", "example.org", "--home", "127.0.0.1:9")
    server.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), doors()) as running:
        add_anna(running)
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@contextlib.contextmanager
def silent(server: Server, count: int, *doors: str) -> Iterator[list[socket.socket]]:
    """Connections of 127.0.0.1, in turn to the doors."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", server.ports[doors[number % len(doors)]]), timeout=60)
            )
            for number in range(count)
        ]


def get(server: Server, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}{path}", timeout=60) as answer:
        return str(answer.read().decode())


def held(connections: list[socket.socket]) -> int:
    """How many the server has not closed."""
    watch = select.poll()
    for connection in connections:
        watch.register(connection, select.POLLIN)
    return len(connections) - len(watch.poll(0))


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def serves(server: Server, host: str) -> None:
    """Whether a user gets through a handshake and a login, and a sender's mail is looked at."""
    connection = socket.create_connection(("127.0.0.1", server.ports["imaps"]), 60, (host, 0))
    with connection, UNVERIFIED.wrap_socket(connection, server_hostname="localhost") as user:
        file = user.makefile("rb")
        assert file.readline().startswith(b"* OK")
        user.sendall(b"a LOGIN anna@example.org secret\r\n")
        assert file.readline().startswith(b"a OK")
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60, source_address=(host, 0)) as sender:
        assert sender.ehlo("sender.example")[0] == 250
        assert sender.mail("bob@sender.example")[0] == 250


def test_450_connections_of_one_host_that_say_nothing_before_the_handshake(server: Server) -> None:
    serves(server, OTHER)
    before = descriptors(server)
    with silent(server, 450, "imaps", "pop3s", "submissions") as connections:
        server.wait_for(lambda: held(connections) <= 200)  # [limits] connections_per_host; the others are gone at once
        serves(server, OTHER)
        assert "mpcontinuity_connections_refused_total 250.0" in get(server, "/metrics")
        assert get(server, "/healthz") == "ok\n"
        server.wait_for(lambda: not held(connections), PATIENCE + 30)
        server.wait_for(lambda: descriptors(server) <= before + 2)
    serves(server, "127.0.0.1")


@pytest.mark.parametrize("door", ["smtp", "imap", "pop3"])
def test_a_client_that_is_silent_after_starttls(server: Server, door: str) -> None:
    asked = {"smtp": b"EHLO x\r\nSTARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}[door]
    with socket.create_connection(("127.0.0.1", server.ports[door]), timeout=60) as client:
        client.sendall(asked)
        begin = time.monotonic()
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                said += piece
        assert time.monotonic() - begin > PATIENCE / 2
        assert b"TLS" in said.splitlines()[-1]  # it was told to begin


def test_with_every_descriptor_taken_those_who_watch_are_answered_still(tmp_path: Path) -> None:
    with Server(tmp_path, doors()) as server:
        add_anna(server)
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        assert set(range(10)) <= {int(name) for name in os.listdir(f"/proc/{server.pid}/fd")}  # since the start
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (10, hard))
        with pytest.raises((OSError, imaplib.IMAP4.abort)):
            imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=2)  # nobody takes the connection
        assert get(server, "/healthz") == "ok\n"
        assert "process_open_fds" in get(server, "/metrics")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        serves(server, OTHER)


def test_a_control_socket_on_which_nothing_is_said_keeps_nobody_from_another(server: Server) -> None:
    path = str(Path(server.folder) / "data" / "control.sock")
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(100):
            connections.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            connections[-1].connect(path)
        server.wait_for(lambda: held(connections) <= 64)
        for connection in connections[:10]:
            connection.close()
        assert server.json("domain", "list")
