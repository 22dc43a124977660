"""Webhooks with a real HTTPS server: what it hears of an outage, signed, and after a restart of ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.app.running import Server
from tests.fakes.certificates import Authority
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, configuration


class Listener:
    """An HTTPS server on loopback that answers with ``status`` and keeps what it is told."""

    def __init__(self, certificate: Path) -> None:
        self.status = 204
        self.heard: list[tuple[dict[str, str], bytes]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}/services/secret-path"

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.heard]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def listener(authority: Authority) -> Iterator[Listener]:
    with Listener(authority.issue("127.0.0.1")) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path, home: ScriptedHome) -> Iterator[World]:
    """A world of one's own, whose server may ask addresses of this machine."""
    with Server(tmp_path, configuration() + "\n[outbound]\nallow_private = true\n") as server:
        yield World(server, home)
        assert "Traceback" not in server.log.read_text(), server.log.read_text()[-6000:]


def test_a_hook_hears_of_an_outage_signed_and_once_also_across_a_restart(
    own: World, listener: Listener, authority: Authority
) -> None:
    hook = own.cli("webhook", "add", own.domain, listener.url, "--ca", str(authority.path))
    own.home.stop()
    assert own.send("an outage begins").code == 250
    own.wait_for(lambda: listener.events() == ["down"])
    listener.status = 503  # it has an outage of its own
    own.home.start()
    own.wait_for(lambda: own.state() == "up")
    own.wait_for(lambda: len(listener.heard) > 1)
    own.server.stop()
    listener.status = 200
    own.server.start()
    own.wait_for(lambda: listener.events()[-1] == "recovered")
    ids = [json.loads(body)["id"] for _, body in listener.heard]
    once = [event for at, event in enumerate(listener.events()) if ids.index(ids[at]) == at]
    assert once == ["down", "recovering", "up", "recovered"]
    for fields, body in listener.heard:
        signed = fields["x-mpcontinuity-timestamp"].encode() + b"." + body
        digest = hmac.new(hook["secret"].encode(), signed, hashlib.sha256).hexdigest()
        assert fields["x-mpcontinuity-signature"] == f"sha256={digest}"
        assert fields["content-type"] == "application/json"
        assert json.loads(body)["domain"] == own.domain
    log = own.server.log.read_text()
    assert "secret-path" not in log
    assert hook["secret"] not in log
    shown = own.server.run("webhook", "list").stdout + own.server.run("audit").stdout
    assert "secret-path" not in shown
    assert hook["secret"] not in shown


def test_a_test_shows_what_the_hook_answers_and_its_removal_ends_it(
    own: World, listener: Listener, authority: Authority
) -> None:
    hook = own.cli("webhook", "add", own.domain, listener.url, "--ca", str(authority.path))
    assert own.server.run("webhook", "test", hook["id"]).stdout == f"{hook['url']}: 204\n"
    assert listener.events() == ["test"]
    listener.status = 500
    done = own.server.run("webhook", "test", hook["id"])
    assert (done.returncode, done.stdout) == (1, f"{hook['url']}: 500\n")
    own.cli("webhook", "remove", hook["id"])
    own.home.stop()
    assert own.send("nobody hears of it").code == 250
    own.wait_for(lambda: own.state() == "down")
    assert own.cli("webhook", "list") == []
    assert listener.events() == ["test", "test"]


def test_an_address_of_our_own_network_is_not_asked_unless_that_is_allowed(
    world: World, listener: Listener, authority: Authority
) -> None:
    hook = world.cli("webhook", "add", world.domain, listener.url, "--ca", str(authority.path))
    done = world.server.run("webhook", "test", hook["id"])
    assert (done.returncode, "private addresses only" in done.stdout) == (1, True)
    assert listener.heard == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://chat.example/", "url: must begin with https:// and a host"),
        ("https://me:secret@chat.example/", "url: must not have a name or a password before its host"),
        ("https://chat.example/a b", "url: must be of printable ASCII"),
        ("https://" + "x" * 1000, "url: has at most 1000 characters"),
    ],
)
def test_a_url_that_is_none_is_one_clear_line_and_changes_nothing(world: World, url: str, said: str) -> None:
    done = world.server.run("webhook", "add", world.domain, url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mpcontinuity: {said}")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr
    assert world.cli("webhook", "list", world.domain) == []
