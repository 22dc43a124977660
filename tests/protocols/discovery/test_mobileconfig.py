from __future__ import annotations

import plistlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mpcontinuity.model.public import Place
from mpcontinuity.protocols.discovery.mobileconfig import profile, sign

ANNA, HOST = "anna@example.org", "mx.example.org"


def made(places: list[Place], address: str = ANNA) -> bytes:
    octets = profile(address, HOST, places)
    assert octets is not None
    return octets


def account(octets: bytes) -> dict[str, Any]:
    (content,) = plistlib.loads(octets)["PayloadContent"]
    assert isinstance(content, dict)
    return content


def test_the_account_is_imap_with_the_address_as_user_name(places: list[Place]) -> None:
    content = account(made(places))
    assert content["PayloadType"] == "com.apple.mail.managed"
    assert content["EmailAccountType"] == "EmailTypeIMAP"
    assert content["EmailAddress"] == ANNA
    for side, port in (("IncomingMailServer", 993), ("OutgoingMailServer", 465)):
        assert content[f"{side}HostName"] == HOST
        assert content[f"{side}PortNumber"] == port
        assert content[f"{side}Username"] == ANNA
        assert content[f"{side}UseSSL"] is True


def test_there_is_no_password_in_it(places: list[Place]) -> None:
    content = account(made(places))
    assert not {"IncomingPassword", "OutgoingPassword"} & content.keys()
    assert content["OutgoingPasswordSameAsIncomingPassword"] is True


def test_the_same_account_has_the_same_identifiers_and_another_has_others(places: list[Place]) -> None:
    assert made(places) == made(places)
    assert (
        plistlib.loads(made(places))["PayloadUUID"] == plistlib.loads(made(places, "Anna@example.org"))["PayloadUUID"]
    )
    profiles = [plistlib.loads(made(places)), plistlib.loads(made(places, "bert@example.org"))]
    everything = [each for one in profiles for each in (one, *one["PayloadContent"])]
    assert len({UUID(each["PayloadUUID"]) for each in everything}) == 4
    assert {UUID(each["PayloadUUID"]).version for each in everything} == {8}
    assert len({each["PayloadIdentifier"] for each in everything}) == 4


def test_without_imap_there_is_no_profile(places: list[Place]) -> None:
    assert profile(ANNA, HOST, places[1:]) is None
    assert profile(ANNA, HOST, []) is None


def certificate(folder: Path, private: Any, *, of_an_authority: bool) -> tuple[bytes, bytes, Path]:
    """A certificate with its chain, its key, and the authority's certificate."""
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def build(name: str, issuer: str, key: Any, signer: Any) -> x509.Certificate:
        named = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
        builder = x509.CertificateBuilder().subject_name(named[0]).issuer_name(named[1]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else SHA256())

    root = build("an authority", "an authority", authority, authority)
    own = build(HOST, "an authority", private, authority) if of_an_authority else build(HOST, HOST, private, private)
    path = folder / "root.pem"
    path.write_bytes(root.public_bytes(Encoding.PEM))
    chain = own.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
    return chain, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), path


def test_a_certificate_of_an_authority_signs_it_so_that_others_can_verify_it(
    places: list[Place], tmp_path: Path
) -> None:
    chain, key, root = certificate(tmp_path, ec.generate_private_key(ec.SECP256R1()), of_an_authority=True)
    (tmp_path / "profile").write_bytes(sign(made(places), chain, key))
    verified = subprocess.run(
        ["openssl", "cms", "-verify", "-inform", "DER", "-in", "profile", "-CAfile", root, "-purpose", "any"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == made(places)


def test_a_certificate_that_signed_itself_or_a_key_of_another_kind_signs_nothing(
    places: list[Place], tmp_path: Path
) -> None:
    chain, key, _ = certificate(tmp_path, ec.generate_private_key(ec.SECP256R1()), of_an_authority=False)
    assert sign(made(places), chain, key) == made(places)
    chain, key, _ = certificate(tmp_path, ed25519.Ed25519PrivateKey.generate(), of_an_authority=True)
    assert sign(made(places), chain, key) == made(places)


def test_what_is_no_certificate_is_told(places: list[Place]) -> None:
    with pytest.raises(ValueError, match="PEM"):
        sign(made(places), b"no certificate", b"no key")
