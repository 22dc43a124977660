"""Doors at ``haproxy:`` endpoints: the client is who the balancer says, at every door."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.journeys.world import SENDER, World, configuration, message

V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 54321 25\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
    + bytes.fromhex("20010db8" + "00" * 11 + "07" + "00" * 16)
    + (struct.pack("!HH", 54321, 25))
)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    text = configuration().replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
    text = text.replace('"tcp:0:', '"haproxy:tcp:0:')
    text += "\n[limits]\nconnections_per_host = 3\n"
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


def dialogue(port: int, *pieces: bytes) -> bytes:
    """What is answered to all of it, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for piece in pieces:
            client.sendall(piece)
        answers = b""
        while piece := client.recv(65536):
            answers += piece
        return answers


def envelope(world: World) -> bytes:
    return b"EHLO c.example\r\nMAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n" % (SENDER.encode(), world.anna.encode())


@pytest.mark.parametrize(
    ("header", "peer"), [(V1, "[203.0.113.7]"), (V2, "[IPv6:2001:db8::7]"), (LOCAL, "[127.0.0.1]")]
)
def test_received_names_the_client_and_not_the_balancer(world: World, header: bytes, peer: str) -> None:
    subject = f"from {peer}"
    with socket.create_connection(("127.0.0.1", world.server.ports["smtp"]), timeout=30) as client:
        client.sendall(header)
        file = client.makefile("rb")
        assert file.readline().startswith(b"220 ")
        client.sendall(envelope(world))
        while not (line := file.readline()).startswith(b"354"):
            assert line[:1] == b"2"
        client.sendall(message(subject) + b".\r\nQUIT\r\n")
        assert file.readline().startswith(b"250 ")
    [taken] = world.at_home(subject)
    assert f"({peer})" in str(taken.headers["Received"])


@pytest.mark.parametrize("door", ["imap", "pop3"])
def test_what_comes_behind_the_header_in_the_same_segment_is_the_doors(world: World, door: str) -> None:
    quit_ = b"a LOGOUT\r\n" if door == "imap" else b"QUIT\r\n"
    said = dialogue(world.server.ports[door], V1 + quit_)
    assert said.startswith((b"* OK", b"+OK"))
    assert said.count(b"\r\n") >= 2


def test_tls_from_the_first_octet_begins_behind_the_header(world: World) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", world.server.ports["pop3s"]), timeout=30) as client:
        client.sendall(V2)
        with context.wrap_socket(client) as secured:
            assert secured.recv(1000).startswith(b"+OK")


def test_a_page_is_asked_for_behind_the_header(world: World) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", world.server.ports["web"]), timeout=30) as client:
        client.sendall(V1)
        with context.wrap_socket(client) as secured:
            secured.sendall(b"GET /admin/login HTTP/1.1\r\nHost: mx.example\r\nConnection: close\r\n\r\n")
            assert secured.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_starttls_works_behind_the_header(world: World) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", world.server.ports["smtp"]), timeout=30) as client:
        client.sendall(V1 + b"EHLO c.example\r\n")
        said = b""
        while not re.search(rb"\r\n250 [^\r\n]*\r\n\Z", said):
            said += client.recv(65536)
        client.sendall(b"STARTTLS\r\n")
        assert client.recv(1000).startswith(b"220 ")
        with context.wrap_socket(client) as secured:
            secured.sendall(b"EHLO c.example\r\n")
            assert secured.recv(1000).startswith(b"250-")


def test_limits_per_host_count_the_client_and_not_the_balancer(world: World) -> None:
    port = world.server.ports["smtp"]
    held = []
    try:
        for host in ("203.0.113.8", "203.0.113.9"):
            header = f"PROXY TCP4 {host} 192.0.2.1 54321 25\r\n".encode()
            for number in range(4):
                client = socket.create_connection(("127.0.0.1", port), timeout=30)
                held.append(client)
                client.sendall(header)
                assert client.recv(1000)[:3] == (b"220" if number < 3 else b"421")
    finally:
        for client in held:
            client.close()


@pytest.mark.parametrize("data", [b"EHLO c.example\r\n", V1.replace(b"203.0.113.7", b"300.0.113.7"), b"\r\n\r\nx"])
def test_who_is_no_balancer_is_cut_off_without_a_word(world: World, data: bytes) -> None:
    with contextlib.suppress(ConnectionResetError):
        assert dialogue(world.server.ports["smtp"], data) == b""
    world.wait_for(lambda: re.search(r"no balancer", world.server.log.read_text()) is not None)
