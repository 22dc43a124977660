"""Files with the certificate that we show: what may be in them, and what happens when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpcontinuity.outbound.certificates import CertificateFiles, read_certificate
from mpcontinuity.outbound.network import securing
from tests.fakes.certificates import Authority


def parts(path: Path) -> tuple[bytes, bytes]:
    """Key and certificate of a file that an Authority has issued."""
    key, mark, certificate = path.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    return key, mark + certificate


def test_key_and_certificate_may_stand_in_one_file_or_in_two(tmp_path: Path) -> None:
    both = Authority(tmp_path).issue("mx.example.org")
    for name, content in zip(("key", "certificate"), parts(both), strict=True):
        (tmp_path / name).write_bytes(content)
    one = read_certificate(str(both))
    two = read_certificate(str(tmp_path / "certificate"), str(tmp_path / "key"))
    assert one.chain == two.chain


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    key, certificate = parts(authority.issue("a.example"))
    other, _ = parts(authority.issue("b.example"))
    for content, text in (
        (b"", "has no certificate in PEM form"),
        (key, "has no certificate in PEM form"),
        (certificate, "has no private key in PEM form"),
        (other + certificate, "its key does not belong to its first certificate"),
        (b"x" * (2 << 20), "has more than 1048576 octets"),
    ):
        (tmp_path / "file.pem").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            read_certificate(str(tmp_path / "file.pem"))
    with pytest.raises(OSError, match="No such file"):
        read_certificate(str(tmp_path / "gone.pem"))


def test_a_changed_file_is_read_and_one_that_became_unusable_leaves_what_it_held(tmp_path: Path) -> None:
    authority, files, used = Authority(tmp_path), CertificateFiles(), tmp_path / "used.pem"

    def replace(content: bytes) -> None:
        (tmp_path / "next.pem").write_bytes(content)
        os.replace(tmp_path / "next.pem", used)

    replace(authority.issue("a.example").read_bytes())
    first = files.get(str(used))
    assert files.get(str(used)) is first
    replace(b"half of a")
    assert files.get(str(used)) is first
    used.unlink()
    assert files.get(str(used)) is first
    replace(authority.issue("b.example").read_bytes())
    assert files.get(str(used)).chain != first.chain


def test_a_session_gets_what_the_file_holds_now(tmp_path: Path) -> None:
    authority, secure, used = Authority(tmp_path), securing(), tmp_path / "used.pem"
    shown = []
    for name in ("a.example", "a.example", "b.example"):
        if name not in shown:
            used.write_bytes(authority.issue(name).read_bytes())
        connection = secure("home.example", False, "", str(used)).clientConnectionForTLS(None)
        certificate = connection.get_certificate()
        assert certificate is not None
        shown.append(certificate.to_cryptography().subject.rfc4514_string().removeprefix("CN="))
    assert shown == ["a.example", "a.example", "b.example"]
