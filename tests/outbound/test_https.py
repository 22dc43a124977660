"""The HTTPS client on real sockets and with real TLS, in a process of its own."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mpcontinuity.outbound.https import place_of
from tests.fakes.certificates import Authority

ROOT = Path(__file__).parents[2]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mark: one\r\nX-Mark: two\r\n\r\nhi"


class Site(threading.Thread):
    """Answers each request with the octets that its path names, and keeps the requests."""

    def __init__(self, certificate: Path, answers: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.answers = answers
        self.requests: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.silent: list[socket.socket] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                self._serve(self.context.wrap_socket(connection, server_side=True))
            except (OSError, ValueError):
                connection.close()

    def _serve(self, connection: ssl.SSLSocket) -> None:
        came = b""
        while b"\r\n\r\n" not in came:
            piece = connection.recv(65536)
            if not piece:
                return
            came += piece
        head, _, body = came.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        answer = self.answers.get(head.split()[1].decode(), b"")
        if not answer:
            self.silent.append(connection)
            return
        connection.sendall(answer)
        connection.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def site(authority: Authority) -> Iterator[Site]:
    serving = Site(
        authority.issue("site.example.org", "127.0.0.1"),
        {
            "/good": GOOD,
            "/moved": b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/x\r\nSet-Cookie: a=b\r\n"
            b"Content-Length: 0\r\n\r\n",
            "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
            "/heads": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(200)),
            "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
            "/noise": b"220 mail.example.org ESMTP\r\n",
        },
    )
    yield serving
    serving.listening.close()


def ask(*asked: dict[str, Any], names: dict[str, list[str]] | None = None, allow_private: bool = False) -> list[Any]:
    given = {"asked": asked, "names": names or {}, "allow_private": allow_private}
    done = subprocess.run(
        [sys.executable, "-m", "tests.outbound.ask_https"],
        cwd=ROOT,
        input=msgspec.json.encode(given),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def test_method_fields_and_body_arrive_and_the_answer_comes_back_whole(site: Site, authority: Authority) -> None:
    url = f"https://site.example.org:{site.port}/good"
    ((status, headers, body),) = ask(
        {
            "method": "POST",
            "url": url,
            "headers": {"X-Signature": "s"},
            "body": "{}",
            "authorities": str(authority.path),
        },
        names={"site.example.org": ["127.0.0.1"]},
        allow_private=True,
    )
    assert (status, body, headers["x-mark"]) == (200, "hi", "one, two")
    (request,) = site.requests
    assert request.startswith(b"POST /good HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\n{}")
    assert b"X-Signature: s\r\n" in request
    assert f"Host: site.example.org:{site.port}".encode() in request


def test_a_redirect_is_an_answer_and_cookies_are_not_kept(site: Site, authority: Authority) -> None:
    base = f"https://127.0.0.1:{site.port}"
    trust = {"authorities": str(authority.path)}
    moved, good = ask({"url": f"{base}/moved", **trust}, {"url": f"{base}/good", **trust}, allow_private=True)
    assert (moved[0], moved[1]["location"], good[0]) == (302, "https://127.0.0.1/x", 200)
    assert len(site.requests) == 2
    assert b"cookie" not in site.requests[1].lower()


def test_a_certificate_that_nobody_vouches_for_or_that_is_for_others_ends_it(site: Site, authority: Authority) -> None:
    unknown, other = ask(
        {"url": f"https://127.0.0.1:{site.port}/good"},
        {"url": f"https://other.example.org:{site.port}/good", "authorities": str(authority.path)},
        names={"other.example.org": ["127.0.0.1"]},
        allow_private=True,
    )
    assert "comes from an authority that is not known here" in unknown
    assert "is for site.example.org, 127.0.0.1, not for other.example.org" in other
    assert not site.requests


def test_private_addresses_are_refused_by_number_and_by_name_unless_allowed(site: Site, authority: Authority) -> None:
    trust = {"authorities": str(authority.path)}
    literal, mapped, named, allowed = ask(
        {"url": f"https://127.0.0.1:{site.port}/good", **trust},
        {"url": f"https://[::ffff:127.0.0.1]:{site.port}/good", **trust},
        {"url": f"https://site.example.org:{site.port}/good", **trust},
        {"url": f"https://site.example.org:{site.port}/good", "private": True, **trust},
        names={"site.example.org": ["127.0.0.1"]},
    )
    assert all("has private addresses only" in each for each in (literal, mapped, named))
    assert allowed[0] == 200
    assert len(site.requests) == 1


def test_the_connection_goes_to_the_address_that_was_judged(site: Site, authority: Authority) -> None:
    """DNS rebinding: what the name means a moment later is not asked. 192.0.2.1 is nobody's (RFC 5737), and refused."""
    first, second = ask(
        {"url": f"https://site.example.org:{site.port}/good", "authorities": str(authority.path)},
        {"url": f"https://site.example.org:{site.port}/good", "private": True, "authorities": str(authority.path)},
        names={"site.example.org": ["10.0.0.1", "127.0.0.1", "192.0.2.1"]},
    )
    assert "private addresses only: 10.0.0.1" in first
    assert second[0] == 200


def test_an_answer_is_bounded_in_its_body_its_fields_and_its_time(site: Site, authority: Authority) -> None:
    base, trust = f"https://127.0.0.1:{site.port}", {"authorities": str(authority.path)}
    exact, large, heads, cut, noise, silent = ask(
        {"url": f"{base}/large", "most": 3000, **trust},
        {"url": f"{base}/large", "most": 2999, **trust},
        {"url": f"{base}/heads", "most": 10, **trust},
        {"url": f"{base}/cut", **trust},
        {"url": f"{base}/noise", **trust},
        {"url": f"{base}/silent", "within": 0.5, **trust},
        allow_private=True,
    )
    assert exact[0] == 200
    assert "more than 2999 octets" in large
    assert "octets" in heads
    assert isinstance(cut, str)
    assert isinstance(noise, str)
    assert "no answer within 0.5 s" in silent


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "https://",
        "https://user:secret@a.example/",
        "https://a.example:99999/",
        "https://a.example/a b",
        "https://a.example/\r\nX: y",
        "https://a.example/#f",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_plain_https_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|not a URL") as refused:
        place_of(url)
    assert "secret" not in str(refused.value)
    assert "secret" not in ask({"url": url})[0]


def test_names_are_asked_for_by_their_a_labels() -> None:
    assert place_of("https://A.Example./x?y=1") == ("a.example", 443)
    assert place_of("https://[2001:db8::1]:8443") == ("2001:db8::1", 8443)
