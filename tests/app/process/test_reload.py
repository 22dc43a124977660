"""SIGHUP to a real server: log rotation, a closed terminal, `systemctl reload`."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
from pathlib import Path

import pytest

from tests.app.running import BIN, CONFIGURATION, Server
from tests.app.test_service import free_port

MESSAGE = b"Subject: hello\r\nMessage-ID: <1@example.net>\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_message_under_way_is_taken_and_new_limits_hold_for_the_next(server: Server) -> None:
    with server:
        server.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        server.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
            client.ehlo()
            client.mail("bob@example.net")
            assert client.rcpt("anna@example.org")[0] == 250
            assert client.docmd("DATA")[0] == 354
            client.send(MESSAGE)
            server.config.write_text(CONFIGURATION + '\n[limits]\nmessage_size = 1000\n[retry]\nfirst = "1s"\n')
            begin = server.log.stat().st_size
            os.kill(server.pid, signal.SIGHUP)
            server.wait_for(lambda: "configuration read again" in server.said(begin))
            client.send(b"Still here?\r\n.\r\n")
            assert client.getreply()[0] == 250
        assert "new limits.message_size; at the next start only: retry.first" in server.said(begin)
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "1000"
        assert [row["outcome"] for row in server.json("track")] == ["owed"]


def test_a_wrong_configuration_is_said_and_changes_nothing(server: Server) -> None:
    with server:
        server.config.write_text(CONFIGURATION + "\n[limits]\nmessage_size = -1\n")
        begin = server.log.stat().st_size
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for(lambda: "the configuration stays as it was" in server.said(begin))
        assert "limits.message_size" in server.said(begin)
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "52428800"
    assert not server.running


def test_a_log_that_was_moved_away_is_opened_anew(server: Server) -> None:
    log, moved = server.folder / "server.log", server.folder / "server.log.1"
    twistd = (str(BIN / "twistd"), "--nodaemon", "--pidfile=", f"--logfile={log}")
    server = Server(server.folder, command=(*twistd, "mpcontinuity", "--config", str(server.config)))
    server.launch()
    try:
        server.wait_for(lambda: log.exists() and "mpcontinuity.app.service ready" in log.read_text())
        log.rename(moved)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for(lambda: log.exists() and "configuration read again" in log.read_text())
        assert "configuration read again" not in moved.read_text()
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone is refused")
def test_root_serves_other_machines_only_when_told(tmp_path: Path) -> None:
    config = CONFIGURATION.replace('imap = ["tcp:0:interface=127.0.0.1"]', 'imap = ["tcp:0"]')
    refused = Server(tmp_path, config)
    refused.launch()
    assert refused.wait() == 1
    said = refused.log.read_text()
    assert "listen: *:0: other machines are not served by root" in said
    assert "Traceback" not in said
    twistd = (str(BIN / "twistd"), "--nodaemon", "--pidfile=", "mpcontinuity", "--config")
    with Server(tmp_path, config, command=(*twistd, str(refused.config), "--allow-root")) as told:
        assert told.running


def test_what_a_command_makes_in_a_folder_open_to_all_is_private(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with Server(tmp_path) as server:
            for path in (server.folder / "data").rglob("*"):
                assert path.stat().st_mode & 0o077 == 0, path
            begin = server.run("doctor")
            assert "data is open to others (mode 755)" in begin.stdout
            (tmp_path / "data").chmod(0o700)
            (tmp_path / "data" / "lock").chmod(0o644)
            assert "lock is open to others (mode 644)" in server.run("doctor").stdout
    finally:
        os.umask(before)


def test_the_configuration_and_its_folder_can_be_read_by_the_servers_group(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from tests.app.running import command

    folder = tmp_path_factory.mktemp("etc") / "mpcontinuity"  # short: the control socket's path has 107 octets at most
    assert command("init", str(folder)).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "mpcontinuity.toml").stat().st_mode & 0o777 == 0o640
    assert (folder / "certs" / "server.pem").stat().st_mode & 0o777 == 0o644
    assert (folder / "certs" / "server.key").stat().st_mode & 0o777 == 0o600


def test_a_closed_terminal_ends_nothing(server: Server) -> None:
    with server:
        for _ in range(3):
            os.kill(server.pid, signal.SIGHUP)
        with socket.create_connection(("127.0.0.1", server.ports["smtp"]), 10) as client:
            assert client.recv(100).startswith(b"220 ")
