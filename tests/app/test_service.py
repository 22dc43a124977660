"""The joined parts as a process: started, spoken to, told to stop."""

from __future__ import annotations

import imaplib
import os
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from mpcontinuity.app import service as service_module
from mpcontinuity.app.listening.descriptors import OWN_FILES, SPARE
from mpcontinuity.app.service import steady
from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.settings import Settings
from tests.app.running import BIN, CONFIGURATION, Server

MESSAGE = "Subject: hello\r\nMessage-ID: <1@example.net>\r\n\r\nHow are you?\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as running:
        running.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        running.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        yield running


def free_port() -> int:
    """One where nobody listens: a home server that is down."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say_nothing(imap: imaplib.IMAP4, *, seconds: float) -> None:
    """NOOP until the server ends the session. Raises IMAP4.abort then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        imap.noop()
        time.sleep(0.02)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_mail_for_a_home_that_is_down_is_in_the_inbox_when_250_is_said(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.sendmail("bob@example.net", ["anna@example.org"], MESSAGE)
    with imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=unverified(), timeout=60) as imap:
        imap.login("anna@example.org", "secret")
        imap.select("INBOX")
        assert imap.search(None, "SUBJECT", "hello") == ("OK", [b"1"])
    row = server.json("track")[0]
    assert (row["status"], row["outcome"], row["continuity"]) == ("deferred", "owed", True)
    assert server.json("status")[0]["state"] == "down"
    assert server.json("report", "example.org")[-1]["owed"] == 1
    assert len(server.json("queue", "list")) == 1


def test_what_the_command_line_changes_is_acted_on_at_once(server: Server) -> None:
    imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
    with pytest.raises(imaplib.IMAP4.error):
        imap.login("carl@example.org", "secret")
    server.json("user", "add", "carl@example.org", "--password-stdin", stdin="secret\n")
    imap.login("carl@example.org", "secret")
    server.json("user", "deactivate", "carl@example.org")
    with pytest.raises(imaplib.IMAP4.abort):
        say_nothing(imap, seconds=1)
    server.json("user", "remove", "carl@example.org")
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.ehlo()
        client.mail("bob@example.net")
        assert client.rcpt("x@other.example")[0] == 550


def test_a_domain_that_is_added_set_and_removed_is_so_at_once(server: Server) -> None:
    home = free_port()
    server.json("domain", "add", "new.example", "--home", f"127.0.0.1:{home}")
    assert rcpt(server, "eve@new.example") == 451  # home is away and nobody is registered
    server.json("user", "add", "eve@new.example")
    assert rcpt(server, "eve@new.example") == 250
    server.json("domain", "set", "new.example", "continuity=off")
    assert rcpt(server, "eve@new.example") == 451
    assert server.run("domain", "add", "loop.example", "--home", f"127.0.0.1:{server.ports['smtp']}").returncode == 1
    server.json("domain", "remove", "new.example")
    assert rcpt(server, "eve@new.example") == 550
    assert "Traceback" not in server.log.read_text()


def rcpt(server: Server, address: str) -> int:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.ehlo()
        client.mail("bob@example.net")
        return client.rcpt(address)[0]


def test_the_data_folder_is_private(server: Server) -> None:
    folder = server.folder / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "control.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((server.folder / "certs" / "server.key").stat().st_mode) == 0o600


def test_tls_1_1_is_refused_and_a_session_is_resumed(server: Server) -> None:
    context = unverified()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    place = ("127.0.0.1", server.ports["imaps"])
    with socket.create_connection(place, 5) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(plain)
    session = None
    for resumed in (False, True):
        with socket.create_connection(place, 5) as plain, context.wrap_socket(plain, session=session) as secured:
            secured.recv(1000)  # the greeting; TLS 1.3 sends its tickets before
            assert secured.session_reused is resumed
            session = secured.session


def test_a_new_certificate_is_served_and_standing_sessions_stay(server: Server) -> None:
    place = ("127.0.0.1", server.ports["imaps"])
    before = ssl.get_server_certificate(place)
    with imaplib.IMAP4_SSL(*place, ssl_context=unverified(), timeout=60) as imap:
        imap.login("anna@example.org", "secret")
        certs = server.folder / "certs"
        subprocess.run(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=new "
            f"-keyout {certs}/server.key -out {certs}/server.pem".split(),
            check=True,
            capture_output=True,
        )
        server.wait_for(lambda: ssl.get_server_certificate(place) != before, 60)
        assert imap.noop()[0] == "OK"


def test_a_store_in_use_is_not_opened_twice(server: Server) -> None:
    done = subprocess.run(
        [BIN / "twistd", "-n", "--pidfile=", "mpcontinuity", "--config", server.config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "is in use by another mpcontinuity" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_sigterm_says_421_and_bye_and_exits_0_within_10_s(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        smtp = smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60)
        smtp.ehlo()
        imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
        begin = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert smtp.noop()[0] == 421
        with pytest.raises(imaplib.IMAP4.abort, match="stops"):
            say_nothing(imap, seconds=1)
        assert server.wait() == 0
        assert time.monotonic() - begin < 10
        log = server.log.read_text()
        assert "stopped" in log
        assert "Traceback" not in log
        assert not (tmp_path / "data" / "control.sock").exists()


def test_ctrl_c_exits_0_too(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert server.stop(signal.SIGINT) == 0


def test_serve_is_the_same(tmp_path: Path) -> None:
    config = tmp_path / "mpcontinuity.toml"
    with Server(tmp_path, command=(str(BIN / "mpcontinuity"), "--config", str(config), "serve")) as server:
        assert server.json("domain", "list") == []
        assert server.stop() == 0


def test_mail_and_users_are_there_after_kill_9(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        server.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
            client.sendmail("bob@example.net", ["anna@example.org"], MESSAGE)
        server.stop(signal.SIGKILL)
        server.start()
        assert server.json("user", "list")[0]["messages"] == 1
        assert server.json("report", "example.org")[-1]["owed"] == 1


@pytest.mark.parametrize(
    ("configuration", "line"),
    [
        ("[limits]\nmessage_size = -3", "limits.message_size: -3: must be 1 to 2147483647"),
        ("[listen]\nsmtp = ['tcp:0:interface=x']", 'listen.smtp: "tcp:0:interface=x"'),
        (
            CONFIGURATION.replace("[tls]", "[tls]\ncertificate = 'mpcontinuity.toml'"),
            "tls.certificate: is there, but",
        ),
    ],
)
def test_a_configuration_error_is_one_line_and_exit_1(tmp_path: Path, configuration: str, line: str) -> None:
    config = tmp_path / "mpcontinuity.toml"
    config.write_text(configuration)
    done = subprocess.run(
        [BIN / "twistd", "-n", "--pidfile=", "mpcontinuity", "--config", config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert line in done.stderr
    assert len([shown for shown in done.stderr.splitlines() if shown.startswith("mpcontinuity:")]) == 1
    assert "Traceback" not in done.stderr + done.stdout


def test_when_descriptors_are_short_further_clients_wait_until_others_go(tmp_path: Path) -> None:
    files = OWN_FILES + SPARE + 32
    command = f"ulimit -n {files}; exec {BIN}/twistd -n --pidfile= mpcontinuity --config mpcontinuity.toml"
    with Server(tmp_path, command=("bash", "-c", command)) as server:
        server.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        server.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        place = ("127.0.0.1", server.ports["imap"])
        with imaplib.IMAP4(*place, timeout=60) as imap:  # a host of users may use all connections, others leave some
            imap.login("anna@example.org", "secret")
        clients = [socket.create_connection(place, 5) for _ in range(32)]
        for client in clients:
            assert client.recv(100).startswith(b"* OK")
        time.sleep(0.2)  # the turn in which the last of them was accepted is over
        late = socket.create_connection(place, 5)
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(100)
        for client in clients:
            client.close()
        late.settimeout(5)
        assert late.recv(100).startswith(b"* OK")
        late.close()


def test_when_descriptors_are_short_strangers_are_told_to_come_again_until_others_go(tmp_path: Path) -> None:
    """The last tenth of the connections that there is room for is not for them."""
    command = (
        f"ulimit -n {OWN_FILES + SPARE + 64}; exec {BIN}/twistd -n --pidfile= mpcontinuity --config mpcontinuity.toml"
    )
    with Server(tmp_path, command=("bash", "-c", command)) as server:
        place = ("127.0.0.1", server.ports["imap"])
        clients = [socket.create_connection(place, 5) for _ in range(58)]
        for client in clients:
            assert client.recv(100).startswith(b"* OK")
        with socket.create_connection(place, 5) as late:
            assert late.recv(100).startswith(b"* BYE [UNAVAILABLE]")
        for client in clients:
            client.close()
        server.wait_for(lambda: _greeted(place))


def _greeted(place: tuple[str, int]) -> bool:
    with socket.create_connection(place, 5) as client:
        return client.recv(100).startswith(b"* OK")


def test_timers_do_not_follow_the_wall_clock_which_may_be_set() -> None:
    from twisted.internet.selectreactor import SelectReactor

    reactor: Any = SelectReactor()
    steady(reactor)
    assert abs(reactor.seconds() - time.monotonic()) < 60  # the wall clock counts from 1970
    fired: list[str] = []
    reactor.callLater(0, fired.append, "soon")
    reactor.callLater(1800, fired.append, "later")
    reactor.runUntilCurrent()
    assert fired == ["soon"]


@pytest.mark.parametrize("asked_to_stop", [True, False])
def test_a_start_that_a_stop_cuts_short_is_no_failure(monkeypatch: pytest.MonkeyPatch, asked_to_stop: bool) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    service = service_module.Server(Settings(), path=Path("mpcontinuity.toml"), output=None)
    service.running = not asked_to_stop
    with capturedLogs() as told:
        service._failed(Failure(Stopping("the server shuts down")))
    assert ended == ([] if asked_to_stop else [1])
    assert ("log_failure" in told[0]) is not asked_to_stop
