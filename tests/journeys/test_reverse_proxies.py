"""The web behind nginx and HAProxy, which run the very configuration that docs/operations.md shows."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.app.running import Server
from tests.fakes.certificates import Authority
from tests.journeys.world import SENDER, configuration, message

HOST = "mail.example.net"
CLIENT = "127.0.0.9"
FORGED = {"X-Forwarded-For": "203.0.113.5", "Forwarded": "for=203.0.113.5", "X-Real-IP": "203.0.113.5"}
PROXIES = ("127.0.0.2", "127.0.0.3")  # where nginx and HAProxy ask from

_BLOCKS = re.findall(
    r"```(nginx|haproxy)\n(.*?)```", (Path(__file__).parents[2] / "docs/operations.md").read_text(), re.DOTALL
)
SHOWN = dict(zip(("nginx", "haproxy", "haproxy, unopened"), (text for _, text in _BLOCKS), strict=True))
_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{text}
}}
"""


@dataclass(frozen=True)
class House:
    """A server, its authority, and a token of its administrator."""

    server: Server
    authority: Authority
    certificate: Path
    folder: Path
    token: str
    ports: tuple[int, int]  # of the web, and of the web behind PROXY headers

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.path))


@dataclass(frozen=True)
class Way:
    """A way to the web, as a client at `CLIENT` has it."""

    house: House
    port: int

    def connect(self) -> ssl.SSLSocket:
        wire = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(CLIENT, 0))
        return self.house.context.wrap_socket(wire, server_hostname=HOST)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, Any]:
        """The status, the body, and the header fields of the answer."""
        connection = http.client.HTTPConnection(HOST, self.port)
        connection.sock = self.connect()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {**FORGED, **fields})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, text, _ = self.ask(
            method,
            f"/api/v1/{path}",
            None if body is None else json.dumps(body),
            Authorization=f"Bearer {self.house.token}",
            **({} if body is None else {"Content_Type": "application/json"}),
            **headers,
        )
        assert status in (200, 201), text
        return json.loads(text)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("proxies")
    folder.chmod(0o755)
    authority = Authority(folder)
    certificate = authority.issue(HOST)
    key, _, chain = certificate.read_text().partition("-----BEGIN CERTIFICATE-----")
    (folder / "key.pem").write_text(key)
    (folder / "key.pem").chmod(0o600)
    (folder / "chain.pem").write_text(f"-----BEGIN CERTIFICATE-----{chain}")
    web = '["tcp:0:interface=127.0.0.1", "haproxy:tcp:0:interface=127.0.0.1"]'
    text = configuration().replace("web = []", f"web = {web}")
    text = text.replace("[tls]\n", f'[tls]\ncertificate = "{folder}/chain.pem"\nprivate_key = "{folder}/key.pem"\n')
    text += f"\n[web]\nrequire_totp = false\ntrusted_proxies = {json.dumps(PROXIES)}\n"
    with Server(folder, text) as server:
        assert server.run("admin", "add", "rita", "--password-stdin", stdin="correct horse battery").returncode == 0
        scopes = [word for scope in ("read", "users", "domains", "mail", "admin") for word in ("--scope", scope)]
        token = server.json("admin", "token", "rita", *scopes)
        ports = re.findall(r"web listens at 127\.0\.0\.1:(\d+)", server.log.read_text())
        yield House(server, authority, certificate, folder, token["token"], (int(ports[0]), int(ports[1])))
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module", params=SHOWN)
def way(request: pytest.FixtureRequest, house: House) -> Iterator[Way]:
    program = request.param.partition(",")[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    port = _free_port()
    text = SHOWN[request.param]
    for shown, real in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("127.0.0.1:8443", f"127.0.0.1:{house.ports[0]}"),
        ("127.0.0.1:8444", f"127.0.0.1:{house.ports[1]}"),
        ("/etc/ssl/mail.example.net.pem", str(house.certificate)),
        ("/etc/ssl/authority.pem", str(house.authority.path)),
        ("location / {", f"location / {{ proxy_bind {PROXIES[0]};"),
        ("verifyhost", f"source {PROXIES[1]} verifyhost"),
    ):
        text = text.replace(shown, real)
    folder = house.folder / request.param.replace(", ", "-")
    folder.mkdir()
    file = folder / "configuration"
    file.write_text(_NGINX.format(folder=folder, text=text) if program == "nginx" else text)
    command = ["-p", str(folder), "-c", str(file), "-e", "stderr"] if program == "nginx" else ["-db", "-f", str(file)]
    with (folder / "log").open("wb") as log, subprocess.Popen([program, *command], stdout=log, stderr=log) as running:
        try:
            _wait_for(port, running, folder / "log")
            yield Way(house, port)
        finally:
            running.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert running.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


def test_the_audit_trail_has_the_client_and_not_whom_it_says_to_be(way: Way) -> None:
    name = f"d{way.port}.example"
    way.api("POST", "domains", {"name": name, "home": "127.0.0.1:9"})
    (row,) = way.api("GET", f"audit?domain={name}&limit=1")
    assert row["from"] == f"API, {CLIENT}"


def test_who_comes_past_the_proxy_is_who_they_are(house: House) -> None:
    direct = Way(house, house.ports[0])
    direct.api("POST", "domains", {"name": "direct.example", "home": "127.0.0.1:9"})
    (row,) = direct.api("GET", "audit?domain=direct.example&limit=1")
    assert row["from"] == f"API, {CLIENT}"


def test_events_come_as_they_happen(way: Way) -> None:
    domain = f"e{way.port}.example"
    way.api("POST", "domains", {"name": domain, "home": "127.0.0.1:9"})
    way.api("POST", "users", {"address": f"anna@{domain}", "password": "secret"})
    way.api("PATCH", f"domains/{domain}", {"settings": {"mode": "enabled"}, "until": "1h"})
    with way.connect() as wire:
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {way.house.token}\r\n\r\n"
        wire.sendall(head.encode())
        assert _read_until(wire, b"retry: 5000").startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        with smtplib.SMTP("127.0.0.1", way.house.server.ports["smtp"], timeout=10) as client:
            client.sendmail(SENDER, f"anna@{domain}", message(domain))
        _read_until(wire, b"event: message")
        assert time.monotonic() - began < 5


def test_an_upload_is_handed_on_as_it_comes(way: Way) -> None:
    """It is answered while most of it is yet to come."""
    with way.connect() as wire:
        head = f"POST /api/v1/users/import HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: text/csv\r\n"
        wire.sendall(f"{head}Content-Length: 3000000\r\n\r\n".encode() + b"x" * 100_000)
        assert _read_until(wire, b"unauthorized").startswith(b"HTTP/1.1 401")


def test_a_form_counts_and_its_cookies_hold(way: Way) -> None:
    host = f"{HOST}:{way.port}"
    page = way.ask("GET", "/admin/login", Host=host)
    cookie = page[2]["set-cookie"].partition(";")[0]
    token = re.search(r'name="csrf" value="([^"]+)"', page[1])
    assert token is not None
    form = {"csrf": token[1], "name": "rita", "password": "correct horse battery", "next": ""}
    headers = {"Host": host, "Cookie": cookie, "Content_Type": "application/x-www-form-urlencoded"}
    status, text, answered = way.ask("POST", "/admin/login", urlencode(form), Origin=f"https://{host}", **headers)
    assert status == 303, text
    secret = answered["set-cookie"].partition(";")[0]
    assert way.ask("GET", "/admin/account", Host=host, Cookie=secret)[0] == 200
    sessions = way.house.server.json("admin", "session", "list", "rita")
    assert sessions[0]["from"] == CLIENT
    wrong = way.ask("POST", "/admin/login", urlencode(form), Origin="https://evil.example", **headers)
    assert wrong[0] == 403


def _read_until(wire: ssl.SSLSocket, octets: bytes) -> bytes:
    come = b""
    while octets not in come:
        piece = wire.recv(65_536)
        assert piece, come
        come += piece
    return come
