"""Somebody between client and server writes plain text around the beginning of TLS: it never runs as if it had come
through TLS (CVE-2011-0411 and its kin), at any door that has STARTTLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, configuration


@dataclass(frozen=True)
class Door:
    """What a client says before TLS, what somebody else injects, and what the client asks behind the handshake."""

    name: str
    before: bytes
    starttls: bytes
    ready: bytes
    injected: bytes
    trace: bytes  # what the injected command would be answered
    asked: bytes
    answered: bytes


DOORS = [
    Door(
        "smtp",
        b"EHLO c.example\r\n",
        b"STARTTLS\r\n",
        b"220 ",
        b"EHLO injected.example\r\nMAIL FROM:<evil@injected.example>\r\n",
        b"Sender OK",
        b"RCPT TO:<postmaster@mx.continuity.example>\r\n",
        b"503 ",
    ),
    Door(
        "submission",
        b"EHLO c.example\r\n",
        b"STARTTLS\r\n",
        b"220 ",
        b"EHLO injected.example\r\nNOOP\r\n",
        b"2.0.0 OK",
        b"MAIL FROM:<a@b.example>\r\n",
        b"503 ",
    ),
    Door("imap", b"", b"a STARTTLS\r\n", b"a OK", b"x NOOP\r\n", b"x OK", b"b SELECT INBOX\r\n", b"b "),
    Door("pop3", b"", b"STLS\r\n", b"+OK", b"CAPA\r\n", b"STLS", b"STAT\r\n", b"-ERR"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    text = configuration().replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Door:
    return request.param  # type: ignore[no-any-return]


@contextlib.contextmanager
def begun(server: Server, door: Door) -> Iterator[socket.socket]:
    """Greeted, and what comes before STARTTLS is said."""
    with socket.create_connection(("127.0.0.1", server.ports[door.name]), timeout=30) as client:
        assert client.recv(4096)
        if door.before:
            client.sendall(door.before)
            while not _whole(client.recv(4096)):
                pass
        yield client


def _whole(answer: bytes) -> bool:
    return answer.endswith(b"\r\n") and answer.splitlines()[-1][3:4] == b" "


def _rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(4096):
            said += piece
    return said


def _handshake(client: socket.socket) -> None:
    client.recv(4096)
    _context().wrap_socket(client)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_what_stands_behind_starttls_in_one_segment_ends_the_connection(server: Server, door: Door) -> None:
    with begun(server, door) as client:
        client.sendall(door.starttls + door.injected)
        said = _rest(client)
    assert door.trace not in said
    assert said.count(b"\r\n") <= 1  # at most what STARTTLS is answered


def test_a_beginning_of_a_command_behind_starttls_does_so_too(server: Server, door: Door) -> None:
    with begun(server, door) as client:
        client.sendall(door.starttls + door.injected[:3])
        said = _rest(client)
    assert said.count(b"\r\n") <= 1


def test_plain_text_before_the_handshake_ends_the_connection(server: Server, door: Door) -> None:
    with begun(server, door) as client:
        client.sendall(door.starttls)
        assert client.recv(4096).startswith(door.ready)
        client.sendall(door.injected)
        said = _rest(client)
    assert door.trace not in said


def test_the_handshake_cannot_complete_over_injected_text(server: Server, door: Door) -> None:
    with begun(server, door) as client:
        client.sendall(door.starttls + door.injected)
        with pytest.raises(OSError):  # ssl.SSLError is one
            _handshake(client)


def test_behind_tls_nothing_said_before_counts(server: Server, door: Door) -> None:
    with begun(server, door) as client:
        client.sendall(door.starttls)
        assert client.recv(4096).startswith(door.ready)
        with _context().wrap_socket(client) as secured:
            secured.sendall(door.asked)
            assert secured.recv(4096).startswith(door.answered)


def test_a_login_before_tls_is_not_one_behind_it(server: Server, home: ScriptedHome) -> None:
    """Plain text may log in from here; what was authenticated so is not, once TLS begins."""
    world = World(server, home)
    with begun(server, DOORS[3]) as client:
        client.sendall(b"USER %b\r\n" % world.anna.encode())
        assert client.recv(4096).startswith(b"+OK")
        client.sendall(b"STLS\r\n")
        assert client.recv(4096).startswith(b"+OK")
        with _context().wrap_socket(client) as secured:
            secured.sendall(b"PASS secret\r\n")
            assert secured.recv(4096).startswith(b"-ERR")
