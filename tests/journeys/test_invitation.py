"""A user who was registered without a password sets one by an invitation, in a browser, and reads mail."""

from __future__ import annotations

import http.client
import imaplib
import re
import shutil
import ssl
from pathlib import Path
from urllib.parse import urlencode

from tests.app.running import CONFIGURATION, Server

WEB = 'web = ["tcp:0:interface=127.0.0.1"]'
PASSWORD = "correct horse"


def ask(server: Server, method: str, path: str, **form: str) -> tuple[int, str, bytes]:
    """Status, text, and the certificate that the server showed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.ports["web"], context=context, timeout=60)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(method, path, urlencode(form) if form else None, headers)
        shown = connection.sock.getpeercert(binary_form=True)
        assert shown is not None
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), shown
    finally:
        connection.close()


def test_from_an_invitation_to_a_login_and_the_secret_is_in_no_log(tmp_path: Path) -> None:
    with Server(tmp_path, CONFIGURATION.replace("web = []", WEB)) as server:
        server.json("domain", "add", "example.org", "--home", "127.0.0.1:1")
        for name in ("anna", "ben"):
            server.json("user", "add", f"{name}@example.org")
        server.json("user", "add", "carl@example.org", "--password-stdin", stdin="his own one\n")
        (anna, ben) = server.json("user", "invite", "--pending", "--domain", "example.org", "--print")
        assert (anna["address"], ben["address"]) == ("anna@example.org", "ben@example.org")
        secret = anna["link"].rpartition("/")[2]
        status, text, first = ask(server, "GET", f"/invite/{secret}")
        assert status == 200
        assert re.search(r"<form method=.post.>", text)
        status, text, _ = ask(server, "POST", f"/invite/{secret}", password=PASSWORD, again=PASSWORD)
        assert (status, text) == (303, "")
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60) as imap:
            imap.login("anna@example.org", PASSWORD)
        status, text, _ = ask(server, "GET", "/mail/config-v1.1.xml?emailaddress=anna@example.org")
        assert (status, '<incomingServer type="imap">' in text) == (200, True)
        assert ask(server, "GET", "/setup")[0] == ask(server, "GET", "/setup/phone")[0] == 200
        server.wait_for(lambda: len(server.json("user", "list", "--never")) == 2)
        assert server.json("user", "show", "anna@example.org")["last_login_by"] in ("web", "IMAP")  # in one minute
        assert server.json("status", "example.org")[0]["never_logged_in"] == 2
        assert ask(server, "POST", f"/invite/{secret}", password="another", again="another")[0] == 410
        token = ben["link"]
        shown = server.json("user", "password", "ben@example.org", "--stdin", "--link", stdin=f"{token}\n{PASSWORD}\n")
        assert shown["status"] == "active"
        log = server.log.read_text()
        assert "user password address=anna@example.org" in log
        assert secret not in log
        assert token.rpartition("/")[2] not in log
        for name in ("server.pem", "server.key"):
            (tmp_path / "certs" / name).unlink()
        with Server(_folder(tmp_path / "other"), CONFIGURATION):
            for name in ("server.key", "server.pem"):
                shutil.copyfile(tmp_path / "other" / "certs" / name, tmp_path / "certs" / name)
        server.wait_for(lambda: ask(server, "GET", "/healthz")[2] != first, 60)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_who_cannot_be_invited_stops_nothing_and_is_said(tmp_path: Path) -> None:
    with Server(tmp_path, CONFIGURATION.replace("web = []", WEB)) as server:
        server.json("domain", "add", "example.org", "--home", "127.0.0.1:1")
        server.json("user", "add", "anna@example.org")
        server.json("user", "add", "ben@example.org", "--alternate", "ben@elsewhere.example")
        done = server.run("user", "invite", "--pending")
        assert done.returncode == 1
        assert "ben@example.org: invited by mail to ben@elsewhere.example" in done.stdout
        why = "anna@example.org: has no alternate address to mail an invitation to; `mpcontinuity user invite anna"
        assert why in done.stderr
        assert server.run("user", "invite").returncode == 2
