"""127.0.0.1 does what it can to the server; 127.0.0.2, a host like any other, is served meanwhile."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcontinuity.delivery.refusals import GATHER
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import cluster
from tests.journeys.nodes import Nodes, Pair
from tests.journeys.world import CONFIGURATION, SENDER, World, configuration, message

OTHER = "127.0.0.2"
LARGE = ("x" * 70 + "\r\n") * 12_500

LIMITS = """
[limits]
connections_per_minute = 120
commands_per_minute = 2000
messages_per_minute = 100
refusals_per_minute = 20
postmaster_octets_per_hour = 3000000
message_size = 1000000
login_failures_per_host = 20
"""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = request.config.getoption("database")
    with Server(tmp_path_factory.mktemp("server"), configuration(chosen) + LIMITS) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@contextlib.contextmanager
def attacker(server: Server) -> Iterator[tuple[socket.socket, object]]:
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=60) as client:
        yield client, client.makefile("rb")


def serves(world: World, host: str = OTHER) -> None:
    """A sender's message goes home, and a user logs in."""
    with smtplib.SMTP("127.0.0.1", world.server.ports["smtp"], timeout=60, source_address=(host, 0)) as sender:
        sender.sendmail(SENDER, [world.anna], message("served"))
    connection = imaplib.IMAP4("127.0.0.1", world.server.ports["imap"], timeout=60)
    with contextlib.closing(connection.sock):
        assert connection.login(world.anna, "secret")[0] == "OK"


def log_in_from(server: Server, host: str, name: str, password: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.ports["imap"]), 60, (host, 0)) as client:
        file = client.makefile("rb")
        if not file.readline().startswith(b"* OK"):
            return b""
        client.sendall(f'a LOGIN "{name}" "{password}"\r\n'.encode())
        return file.readline()


def test_refused_recipients_without_end_fill_neither_tracking_nor_the_log(server: Server, home: ScriptedHome) -> None:
    world = World(server, home)
    before = server.log.stat().st_size
    refused = 0
    for _ in range(30):
        with attacker(server) as (client, _), contextlib.suppress(OSError):
            lines = b"".join(b"RCPT TO:<n%d@nowhere.example>\r\n" % number for number in range(20))
            client.sendall(b"EHLO x\r\nMAIL FROM:<x@x.example>\r\n" + lines + b"QUIT\r\n")
            said = b""
            while piece := client.recv(65536):
                said += piece
            refused += said.count(b"550 5.7.1")
    assert refused > 100
    time.sleep(2 * GATHER)
    rows = [row for row in world.cli("track", "--limit", "1000") if row["recipient"].endswith("@nowhere.example")]
    assert 20 <= len(rows) <= 25
    assert server.log.stat().st_size - before < 30_000
    serves(world)


def test_a_host_that_sends_more_than_its_ration_is_put_off_and_others_are_not(
    server: Server, home: ScriptedHome
) -> None:
    world = World(server, home)
    with attacker(server) as (client, _):
        client.sendall(b"EHLO x\r\n")
        client.settimeout(60)
        said = b""
        for _ in range(150):
            client.sendall(b"MAIL FROM:<x@x.example>\r\nRSET\r\n")
        client.sendall(b"QUIT\r\n")
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                said += piece
    assert b"\r\n450 4.7.1 Too much mail from your host" in said
    serves(world)


def test_postmaster_of_a_domain_takes_no_more_than_so_many_octets_of_a_host(server: Server, home: ScriptedHome) -> None:
    world = World(server, home)
    home.stop()
    taken = 0
    for number in range(10):
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60, source_address=("127.0.0.3", 0)) as client:
            client.ehlo("x")
            client.mail(SENDER)
            code = client.rcpt(f"postmaster@{world.domain}")[0]
            if code == 250:
                code = client.data(message(f"large {number}", body=LARGE))[0]
            taken += code == 250
            assert code in (250, 450)
    assert 3 <= taken <= 4
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60, source_address=(OTHER, 0)) as client:
        client.ehlo("y")
        client.mail(SENDER)
        assert client.rcpt(f"postmaster@{world.domain}")[0] == 250
    home.start()


def test_a_storm_of_guesses_costs_others_nothing(server: Server, home: ScriptedHome) -> None:
    """Raw names of any length, each another one."""
    world = World(server, home)
    assert log_in_from(server, OTHER, world.ben, "secret").startswith(b"a OK")
    with contextlib.ExitStack() as stack:
        for number in range(40):
            guesser = stack.enter_context(socket.create_connection(("127.0.0.1", server.ports["imap"]), timeout=60))
            guesser.sendall(f'a LOGIN "{"n" * 2000}{number}@{world.domain}" "wrong"\r\n'.encode())
        assert log_in_from(server, OTHER, world.anna, "secret").startswith(b"a OK")
        assert log_in_from(server, OTHER, world.ben, "secret").startswith(b"a OK")


def test_connections_in_rapid_succession_are_turned_away_and_others_are_let_in(
    server: Server, home: ScriptedHome
) -> None:
    world = World(server, home)
    greetings = []
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", server.ports["smtp"]), 60, ("127.0.0.4", 0)) as client:
            greetings.append(client.recv(3))
    assert greetings.count(b"421") > 100
    assert greetings.count(b"220") >= 120
    serves(world)


def test_sessions_that_lead_to_nothing_do_not_fill_the_log(server: Server) -> None:
    for door, said in {"smtp": b"EHLO x\r\n", "pop3": b"CAPA\r\n", "imap": b"a NOOP\r\n"}.items():
        for _ in range(35):
            with socket.create_connection(("127.0.0.1", server.ports[door]), 60, ("127.9.0.1", 0)) as client:
                file = client.makefile("rb")
                file.readline()
                client.sendall(said)
                file.readline()
    lines = server.log.read_text().count("session from 127.9.0.1 ends")
    assert 20 <= lines <= 24


def test_users_are_let_in_where_strangers_hold_all_connections_that_are_theirs(tmp_path: Path) -> None:
    """Forty connections, of which four are for hosts from which somebody has logged in."""
    text = configuration() + "\n[limits]\nconnections = 40\n"
    with Server(tmp_path, text) as server, ScriptedHome() as home, contextlib.ExitStack() as stack:
        world = World(server, home)
        assert log_in_from(server, OTHER, world.anna, "secret").startswith(b"a OK")

        def greeting(host: str) -> bytes:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.ports["smtp"]), 60, (host, 0)))
            return client.recv(3)

        greetings = [greeting(f"127.7.{number}.1") for number in range(40)]
        assert greetings.count(b"220") == 36
        assert log_in_from(server, OTHER, world.anna, "secret").startswith(b"a OK")
        assert greeting("127.8.0.1") == b"421"


def test_a_host_has_one_ration_at_all_nodes(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        Nodes(tmp_path_factory.mktemp("nodes"), cluster(), configuration=CONFIGURATION + LIMITS) as nodes,
        ScriptedHome() as home,
    ):
        pair = Pair(nodes, home)

        def put_off(world: World) -> bool:
            with smtplib.SMTP("127.0.0.1", world.server.ports["smtp"], timeout=60) as client:
                client.ehlo("x")
                return client.mail(SENDER)[0] == 450

        for _ in range(20):
            with pair.one.smtp() as client:
                client.ehlo("x")
                for _ in range(10):
                    client.mail(SENDER)
                    client.rset()
        pair.other.wait_for(lambda: put_off(pair.other), 20)
