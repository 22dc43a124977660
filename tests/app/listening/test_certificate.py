from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from mpcontinuity.app.listening.certificate import Certificate, load, make_if_missing
from mpcontinuity.config.read import BadConfiguration, parse
from mpcontinuity.model.settings import Settings
from tests.fakes.clock import ManualClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse('hostname = "mx.example.org"', tmp_path)


def renew(settings: Settings) -> None:
    for path in (settings.tls.certificate, settings.tls.private_key):
        Path(path).unlink()
    assert make_if_missing(settings)


def test_the_pair_that_is_made_is_ecdsa_for_our_names_and_its_key_is_private(settings: Settings) -> None:
    assert make_if_missing(settings)
    leaf = x509.load_pem_x509_certificate(Path(settings.tls.certificate).read_bytes())
    assert isinstance(leaf.public_key(), EllipticCurvePublicKey)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.org", "localhost"]
    assert stat.S_IMODE(Path(settings.tls.private_key).stat().st_mode) == 0o600
    load(settings.tls)


def test_a_pair_that_is_there_is_kept(settings: Settings) -> None:
    make_if_missing(settings)
    before = Path(settings.tls.certificate).read_bytes()
    assert not make_if_missing(settings)
    assert Path(settings.tls.certificate).read_bytes() == before


def test_half_a_pair_is_refused(settings: Settings) -> None:
    make_if_missing(settings)
    Path(settings.tls.private_key).unlink()
    with pytest.raises(BadConfiguration, match=r"tls\.certificate: is there, but .*server\.key is missing"):
        make_if_missing(settings)


def test_a_key_of_another_certificate_is_refused(settings: Settings, tmp_path: Path) -> None:
    make_if_missing(settings)
    other = parse('[tls]\ncertificate = "other.pem"\nprivate_key = "other.key"', tmp_path)
    make_if_missing(other)
    mixed = msgspec.structs.replace(settings.tls, private_key=other.tls.private_key)
    with pytest.raises(BadConfiguration, match=r"tls\.private_key: .*other\.key: is not the key of .*server\.pem"):
        load(mixed)


@pytest.mark.parametrize("key", ["certificate", "private_key"])
def test_what_is_no_pem_is_refused_by_the_keys_name(settings: Settings, key: str) -> None:
    make_if_missing(settings)
    Path(getattr(settings.tls, key)).write_text("nonsense")
    with pytest.raises(BadConfiguration, match=rf"tls\.{key}: .*: must be a PEM file"):
        load(settings.tls)


def test_changed_files_are_taken_within_10_s_and_broken_ones_are_not(settings: Settings, clock: ManualClock) -> None:
    make_if_missing(settings)
    certificate = Certificate(settings.tls, clock, 30)  # type: ignore[arg-type]
    certificate.start()
    first = certificate.context
    clock.advance(9)
    assert certificate.context is first
    Path(settings.tls.certificate).write_text("half of it")
    clock.advance(9)
    assert certificate.context is first
    renew(settings)
    clock.advance(9)
    assert certificate.context is not first
    certificate.stop()
