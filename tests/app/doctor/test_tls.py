"""Certificates as authorities and administrators leave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.doctor.tls import examine
from mpcontinuity.model.settings import Settings, Tls

NOW = datetime.now(UTC)
NAME = "mx.example.org"


class Authority:
    def __init__(self, name: str, issuer: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (issuer or self).issue(self.name, self.key.public_key(), [])

    def issue(
        self,
        subject: x509.Name,
        key: Any,
        extensions: list[Any],
        begin: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=90),
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, SHA256())


ROOT = Authority("Root")
INTERMEDIATE = Authority("Intermediate", ROOT)
KEY = ec.generate_private_key(ec.SECP256R1())
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
NAMES = x509.SubjectAlternativeName([x509.DNSName(NAME)])


def leaf(*extensions: Any, **more: Any) -> x509.Certificate:
    return INTERMEDIATE.issue(SUBJECT, KEY.public_key(), [NAMES, *extensions], **more)


def findings(tmp_path: Path, *chain: x509.Certificate, hostname: str = NAME) -> list[Finding]:
    """But that certificate and key belong together."""
    path, key = tmp_path / "server.pem", tmp_path / "server.key"
    path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = Settings(hostname=hostname, tls=Tls(certificate=str(path), private_key=str(key)))
    first, *others = examine(settings)
    assert first.verdict == "good"
    assert all(finding.advice for finding in others)
    return others


def test_a_certificate_with_its_chain_is_good(tmp_path: Path) -> None:
    assert findings(tmp_path, leaf(), INTERMEDIATE.certificate) == []
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    assert findings(tmp_path, leaf(server), INTERMEDIATE.certificate, ROOT.certificate) == []


def test_a_missing_intermediate_is_a_warning_and_a_wrong_order_is_wrong(tmp_path: Path) -> None:
    [alone] = findings(tmp_path, leaf())
    assert (alone.verdict, "stands alone" in alone.text) == ("warning", True)
    [broken] = findings(tmp_path, leaf(), ROOT.certificate)
    assert (broken.verdict, "chain is broken" in broken.text) == ("wrong", True)


@pytest.mark.parametrize(
    ("begin", "end", "verdict", "text"),
    [
        (-90, -1, "wrong", "expired"),
        (-60, 10, "warning", "expires"),
        (1, 90, "wrong", "is not valid before"),
    ],
)
def test_its_time_is_looked_at(tmp_path: Path, begin: int, end: int, verdict: str, text: str) -> None:
    dates = {"begin": NOW + timedelta(days=begin), "end": NOW + timedelta(days=end)}
    [finding] = findings(tmp_path, leaf(**dates), INTERMEDIATE.certificate)
    assert finding.verdict == verdict
    assert finding.text.startswith(text)


def test_one_for_another_name_is_a_warning_and_one_for_clients_is_wrong(tmp_path: Path) -> None:
    [name] = findings(tmp_path, leaf(), INTERMEDIATE.certificate, hostname="mail.example.org")
    assert (name.verdict, name.text) == ("warning", "is not for mail.example.org")
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    [use] = findings(tmp_path, leaf(client), INTERMEDIATE.certificate)
    assert use.verdict == "wrong"
