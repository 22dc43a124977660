"""The certificate: its key, its chain, its names, its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.listening import certificate
from mpcontinuity.config.read import BadConfiguration
from mpcontinuity.model.settings import Settings

EXPIRES_SOON = timedelta(days=30)
_RSA_BITS = 2048


def examine(settings: Settings) -> Iterator[Finding]:
    """Gives findings about the certificate that clients are shown."""
    tls = settings.tls
    if not Path(tls.certificate).exists() and not Path(tls.private_key).exists():
        yield Finding("certificate", "warning", "there is none yet", "one is made, self-signed, at the first start")
        return
    try:
        certificate.load(tls)
        chain = x509.load_pem_x509_certificates(Path(tls.certificate).read_bytes())
    except (BadConfiguration, OSError, ValueError) as error:
        yield Finding("certificate", "wrong", str(error), "bring a certificate and its key, or remove both")
        return
    yield Finding("certificate", "good", "certificate and key belong together")
    leaf = chain[0]
    yield from _validity(leaf)
    yield from _chain(chain)
    yield from _use(leaf)
    name = settings.public.host or settings.hostname
    if not _names(leaf, name):
        yield Finding(
            "certificate", "warning", f"is not for {name}", "mail clients that connect to that name will complain"
        )


def _self_signed(leaf: x509.Certificate) -> bool:
    return leaf.issuer == leaf.subject


def _validity(leaf: x509.Certificate) -> Iterator[Finding]:
    now = datetime.now(UTC)
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if begin > now:
        yield Finding("certificate", "wrong", f"is not valid before {begin:%Y-%m-%d %H:%M} UTC", "look at the clock")
    if end - now >= EXPIRES_SOON:
        return
    advice = "renew it; it is re-read without a restart"
    if _self_signed(leaf):
        advice = "remove certificate and key and restart for a new self-signed pair, or bring one of an authority"
    if end < now:
        yield Finding("certificate", "wrong", f"expired {end:%Y-%m-%d}", advice)
    else:
        yield Finding("certificate", "warning", f"expires {end:%Y-%m-%d}", advice)


def _chain(chain: Sequence[x509.Certificate]) -> Iterator[Finding]:
    leaf = chain[0]
    if _self_signed(leaf):
        yield Finding(
            "certificate", "warning", "is self-signed: mail clients will ask", "bring one of an authority when you can"
        )
        return
    if len(chain) == 1:
        yield Finding(
            "certificate",
            "warning",
            f"stands alone: {_name(leaf.issuer)}, which issued it, is not behind it in the file",
            "append the intermediate certificates (certbot calls that fullchain.pem)",
        )
    for lower, upper in pairwise(chain):
        if not _issued(lower, upper):
            text = f"the chain is broken: {_name(lower.subject)} was not issued by {_name(upper.subject)} behind it"
            yield Finding(
                "certificate", "wrong", text, "order the file: the server's own, then who issued it, and so on"
            )
            return


def _issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _use(leaf: x509.Certificate) -> Iterator[Finding]:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
        yield Finding("certificate", "wrong", f"an RSA key of {key.key_size} bits: clients refuse it", "make a new one")
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.intersection(uses):
        yield Finding("certificate", "wrong", "is not meant for servers (extended key usage)", "ask for another one")


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"


def _names(leaf: x509.Certificate, host: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if host.strip("[]").removeprefix("IPv6:") in map(str, names.get_values_for_type(x509.IPAddress)):
        return True
    wild = "*." + host.partition(".")[2]
    return any(name.lower() in (host.lower(), wild.lower()) for name in names.get_values_for_type(x509.DNSName))
