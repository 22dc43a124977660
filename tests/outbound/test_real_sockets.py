"""The same client on real sockets and with real TLS, in a process of its own."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes.certificates import Authority

ROOT = Path(__file__).parents[2]


def make_certificate(folder: Path) -> Path:
    """Self-signed for localhost; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "home.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class TlsHome(threading.Thread):
    """Offers STARTTLS and takes messages; one connection after the other."""

    def __init__(self, certificate: Path, clients: Path | None = None) -> None:
        """``clients`` is the authority that clients must have a certificate from; None: they are not asked."""
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.messages: list[bytes] = []
        self.encrypted: list[bool] = []
        self.shown: list[str] = []  # the names of the clients' certificates
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                self._serve(connection)
            except (OSError, ValueError):
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.sendall(b"220 home\r\n")
        stream = connection.makefile("rb")
        while line := stream.readline():
            verb = line.split()[0].upper()
            if verb == b"STARTTLS":
                connection.sendall(b"220 go\r\n")
                connection = self.context.wrap_socket(connection, server_side=True)
                shown: Any = connection.getpeercert() or {}
                self.shown += [name for _, name in shown.get("subjectAltName", ())]
                stream = connection.makefile("rb")
            elif verb == b"EHLO":
                secure = isinstance(connection, ssl.SSLSocket)
                connection.sendall(b"250-home\r\n250 PIPELINING\r\n" if secure else b"250-home\r\n250 STARTTLS\r\n")
            elif verb == b"DATA":
                connection.sendall(b"354 go\r\n")
                lines = []
                while (part := stream.readline()) != b".\r\n":
                    lines.append(part.removeprefix(b"."))
                self.messages.append(b"".join(lines))
                self.encrypted.append(isinstance(connection, ssl.SSLSocket))
                connection.sendall(b"250 2.0.0 taken\r\n")
            else:
                connection.sendall(b"250 ok\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(certificate: Path) -> Iterator[TlsHome]:
    serving = TlsHome(certificate)
    yield serving
    serving.listening.close()


def send(port: int, tls: str, authority: str = "", size: int = 70, certificate: str = "", own: str = "") -> list[str]:
    child = subprocess.run(
        [sys.executable, "-m", "tests.outbound.child", str(port), tls, authority, str(size), certificate, own],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode()
    told: list[str] = json.loads(child.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("tls", ["opportunistic", "required", "off"])
def test_a_certificate_that_nobody_vouches_for_still_encrypts(home: TlsHome, tls: str) -> None:
    assert send(home.port, tls)[:2] == ["accepted", "message"]
    assert home.encrypted == [tls != "off"]
    assert home.messages == [b"X-Id: 1\r\n" + b".dots\r\n" * 10]


def test_verify_believes_only_who_is_vouched_for(home: TlsHome, certificate: Path) -> None:
    assert send(home.port, "verify")[:2] == ["failed", "STARTTLS"]
    assert send(home.port, "verify", str(certificate))[:2] == ["accepted", "message"]
    assert home.encrypted == [True]


def test_what_is_wrong_with_a_certificate_is_said_in_words(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path), Authority(tmp_path, "Another authority")
    for path, authorities, text in (
        (ours.issue("localhost"), other.path, "the certificate comes from an authority that is not known here"),
        (ours.issue("localhost", days=-1), ours.path, "the certificate has expired on "),
        (ours.issue("mail.example", "www.example"), ours.path, "is for mail.example, www.example, not for localhost"),
        (make_certificate(tmp_path), other.path, "the certificate is self-signed"),
    ):
        serving = TlsHome(path)
        verdict, stage, reason = send(serving.port, "verify", str(authorities))
        serving.listening.close()
        assert (verdict, stage) == ("failed", "STARTTLS")
        assert text in reason
    serving = TlsHome(ours.issue("localhost"))
    assert send(serving.port, "verify", str(ours.path))[:2] == ["accepted", "message"]
    serving.listening.close()


def test_authorities_that_cannot_be_read_are_told_and_nothing_is_sent(home: TlsHome, tmp_path: Path) -> None:
    verdict, stage, reason = send(home.port, "verify", str(tmp_path / "gone.pem"))
    assert (verdict, stage) == ("failed", "STARTTLS")
    assert "gone.pem" in reason
    assert home.messages == []


def test_a_home_that_demands_a_certificate_gets_ours_or_the_one_that_the_domain_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, other = authority.issue("mx.ours.example"), authority.issue("mx.other.example")
    strange = Authority(tmp_path, "Another authority").issue("mx.strange.example")
    demanding = TlsHome(authority.issue("localhost"), clients=authority.path)
    try:
        for certificate, shown in ((str(other), "mx.other.example"), ("", "mx.ours.example")):
            assert send(demanding.port, "required", certificate=certificate, own=str(ours))[0] == "accepted"
            assert demanding.shown == [shown]
            demanding.shown.clear()
        for certificate in ("none", str(strange)):
            assert send(demanding.port, "required", certificate=certificate, own=str(ours))[0] == "failed"
        assert len(demanding.messages) == 2
    finally:
        demanding.listening.close()


def test_a_home_that_does_not_ask_is_shown_nothing_and_ours_may_be_missing(home: TlsHome, tmp_path: Path) -> None:
    ours = Authority(tmp_path).issue("mx.ours.example")
    for own in (str(ours), str(tmp_path / "gone.pem")):
        assert send(home.port, "required", own=own)[0] == "accepted"
    assert home.shown == []


def test_without_the_certificate_that_the_domain_names_there_is_no_session(home: TlsHome, tmp_path: Path) -> None:
    """A home that knows us by it would take us for a stranger."""
    verdict, stage, reason = send(home.port, "opportunistic", certificate=str(tmp_path / "gone.pem"))
    assert (verdict, stage) == ("failed", "STARTTLS")
    assert "gone.pem: No such file or directory" in reason


@pytest.mark.parametrize("tls", ["required", "off"])
def test_a_message_of_several_megabytes_arrives_whole(home: TlsHome, tls: str) -> None:
    size = 7 * 500_000
    assert send(home.port, tls, size=size)[:2] == ["accepted", "message"]
    assert home.messages == [b"X-Id: 1\r\n" + b".dots\r\n" * 500_000]


def test_a_port_where_nobody_listens_is_told_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    verdict, stage, text = send(port, "off")
    assert (verdict, stage) == ("failed", "connect")
    assert "refused" in text


def reached(scene: str) -> list[str]:
    """What `tests.outbound.moving` tells of one of its scenes."""
    command = [sys.executable, "-m", "tests.outbound.moving", scene]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert child.returncode == 0, child.stderr.decode()
    told = json.loads(child.stdout.splitlines()[-1])
    assert isinstance(told, list), told
    return told


def test_homes_name_is_resolved_anew_at_every_connection() -> None:
    """Where DNS does not answer, home is looked for where it was: that fault is not its own."""
    first, second = "127.0.0.1", "127.0.0.2"
    dns_is_silent = second
    assert reached("name") == [first, second, dns_is_silent, first, f"message to {second}"]


def test_home_hosts_keep_their_order_of_preference() -> None:
    """One that failed is asked after the others, until a probe finds it well."""
    first, second = "127.0.0.1", "127.0.0.2"
    falls_back, does_not_wait, after_the_probe = second, second, first
    assert reached("order") == [first, falls_back, does_not_wait, after_the_probe]
