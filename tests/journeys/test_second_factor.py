"""A user turns a second factor on: what the password alone had opened ends, at every door, and opens no more."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from imaplib import IMAP4
from poplib import POP3, error_proto
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, Request, build_opener

import pytest

from mpcontinuity.accounts import totp
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import fresh_database
from tests.journeys.test_changed_password import CONFIGURED, LAST, session
from tests.journeys.world import World

FACTOR = "/settings/second-factor"
WITHIN = 1.0  # s


class Web:
    """A browser without JavaScript, by real TLS."""

    def __init__(self, server: Server) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._at = f"https://127.0.0.1:{server.ports['web']}"
        self._open = build_opener(HTTPSHandler(context=trusting), HTTPCookieProcessor()).open
        self.path = ""

    def get(self, path: str) -> str:
        with self._open(f"{self._at}{path}") as answer:
            return self._read(answer)

    def stream(self, path: str) -> HTTPResponse:
        answer: HTTPResponse = self._open(f"{self._at}{path}", timeout=60)
        return answer

    def send(self, form: str, page: str, **fields: str) -> str:
        token = re.search(r'name="csrf" value="([^"]+)"', page[page.index(f'action="{form}"') :])
        assert token is not None
        with self._open(f"{self._at}{form}", urlencode({"csrf": token[1], **fields}).encode()) as answer:
            return self._read(answer)

    def basic(self, path: str, user: str, password: str) -> int:
        """The code of an answer of the API."""
        given = base64.b64encode(f"{user}:{password}".encode()).decode()
        try:
            with self._open(Request(f"{self._at}{path}", headers={"Authorization": f"Basic {given}"})) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    def _read(self, answer: Any) -> str:
        self.path = answer.geturl().removeprefix(self._at)
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    text = CONFIGURED.replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
    if request.config.getoption("database") == "postgresql":
        text += f'\n[store]\ndatabase = "{fresh_database()}"\n'
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


def opened(server: Server, user: str, password: str) -> list[str]:
    """The doors that a password opens."""
    found = []
    with contextlib.suppress(IMAP4.error), IMAP4("127.0.0.1", server.ports["imap"]) as imap:
        imap.login(user, password)
        found.append("imap")
    pop3 = POP3("127.0.0.1", server.ports["pop3"])
    with contextlib.suppress(error_proto):
        pop3.user(user)
        pop3.pass_(password)
        found.append("pop3")
    pop3.close()
    refused = smtplib.SMTPAuthenticationError
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as smtp, contextlib.suppress(refused):
        smtp.login(user, password)
        found.append("submission")
    return found


def log_in(web: Web, user: str) -> str:
    return web.send("/login", web.get("/login"), address=user, password="secret")


def turn_on(web: Web) -> str:
    """Returns the secret."""
    page = web.send(f"{FACTOR}/begin", web.get(FACTOR))
    shown = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page)
    assert shown is not None
    secret = shown[1].replace(" ", "")
    key = re.search(r'name="shown" value="([^"]+)"', page)
    assert key is not None
    page = web.send(f"{FACTOR}/confirm", page, shown=key[1], code=_code(secret), password="secret")
    assert "The second factor is on" in page
    return secret


def _code(secret: str) -> str:
    return totp.code(secret, totp.step_of(time.time_ns() // 1000))


def test_the_password_alone_opens_no_door_any_more_and_an_app_password_does(server: Server, home: ScriptedHome) -> None:
    world, web = World(server, home), Web(server)
    phone = world.cli("user", "app-password", "add", world.anna, "phone")
    api = f"/api/v1/continuity/{world.anna}"
    assert opened(server, world.anna, "secret") == ["imap", "pop3", "submission"]
    assert web.basic(api, world.anna, "secret") == 200
    log_in(web, world.anna)
    with contextlib.ExitStack() as stack:
        own = [(door, stack.enter_context(session(server, door, world.anna))) for door in LAST]
        kept = stack.enter_context(session(server, "imap", world.anna, phone["password"]))
        turn_on(web)
        begin = time.monotonic()
        for door, each in own:
            last = each.read()
            assert LAST[door] in last
            assert b"app password is needed" in last
        assert time.monotonic() - begin < WITHIN
        kept.write(b"DONE\r\n")
        kept.flush()
        assert kept.readline().startswith((b"c OK", b"* "))  # a message has come, which tells of it
    assert opened(server, world.anna, "secret") == []
    assert opened(server, world.anna, phone["password"]) == ["imap", "pop3", "submission"]
    assert web.basic(api, world.anna, "secret") == 401
    other = Web(server)
    assert "Code</label>" in log_in(other, world.anna)
    assert other.path == "/login/code"
    world.cli("user", "second-factor", "remove", world.anna)
    assert opened(server, world.anna, "secret") == ["imap", "pop3", "submission"]
    log_in(other, world.anna)
    assert other.path == "/"


def test_a_change_of_the_password_ends_the_streams_of_other_browsers(server: Server, home: ScriptedHome) -> None:
    world = World(server, home)
    here, there = Web(server), Web(server)
    for web in (here, there):
        log_in(web, world.anna)
    with there.stream("/events") as stream:
        assert stream.status == 200
        begin, form = time.monotonic(), {"current": "secret", "password": "a better one", "again": "a better one"}
        page = here.send("/settings/password", here.get("/settings/"), **form)
        assert "Your password is changed" in page
        last = stream.read()  # to its end
        assert time.monotonic() - begin < WITHIN + 1
        assert b"event: ended\n" in last
    assert "Log in" in there.get("/")
    assert "Log out" in here.get("/")
