"""How connections are made and secured. Everything that opens one takes a ``Connector``, so that a simulation can."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
)
from twisted.internet.ssl import CertificateOptions, platformTrust
from zope.interface import implementer

from mpcontinuity.outbound.certificates import NONE, CertificateFiles, ClientCertificate
from mpcontinuity.outbound.names import server_name

# Host, port, factory of the protocol, seconds until it counts as failed.
Connector = Callable[[str, int, IProtocolFactory, float], Deferred[Any]]
# Looks up a host as a connector does, and fires with its IP addresses; with an empty list where there are none.
Addresses = Callable[[str], Deferred[list[str]]]
# What makes a client's TLS for one connection: the name that the certificate must have; whether it is verified; a file
# of the authorities that are believed then, empty for those of the system; a file with the certificate that the server
# gets if it asks for one, empty for the usual, "none" for none. Raises ValueError with what is wrong with a file.
# Where verification fails, the creator's ``fault`` says why.
Securing = Callable[[str, bool, str, str], Any]

# RFC 5280 as OpenSSL numbers it (X509_V_ERR_*), in words for administrators.
_FAULTS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "comes from an authority that is not known here",
    20: "comes from an authority that is not known here",
    21: "comes from an authority that is not known here",
    23: "was revoked",
    24: "comes from a certificate that is no authority",
    26: "is not for servers",
}


def connector(reactor: Any) -> Connector:
    """Returns a Connector over TCP, by the system's resolver; of several addresses the first that answers is used."""

    def connect(host: str, port: int, factory: IProtocolFactory, timeout: float) -> Deferred[IProtocol]:
        connected: Deferred[IProtocol] = HostnameEndpoint(reactor, host, port, timeout=timeout).connect(factory)
        return connected

    return connect


def addresses(reactor: Any) -> Addresses:
    """Returns what looks up hosts by the system's resolver."""

    def look_up(host: str) -> Deferred[list[str]]:
        found = _Found()
        reactor.nameResolver.resolveHostName(found, host, 0)
        return found.ended

    return look_up


@implementer(IResolutionReceiver)
class _Found:
    """Collects the addresses of one host."""

    def __init__(self) -> None:
        self.ended: Deferred[list[str]] = Deferred()
        self._addresses: list[str] = []

    def resolutionBegan(self, resolution: object) -> None: ...  # noqa: N802

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        self._addresses.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        if not self.ended.called:  # cancelled
            self.ended.callback(self._addresses)


def securing(own: tuple[str, str] | None = None) -> Securing:
    """Returns what makes the TLS of a session.

    ``own`` are the files of the certificate and of the key that are shown to a server that asks, where the connection
    names no other; None: nothing is shown then.
    """
    files = CertificateFiles()
    contexts: dict[tuple[bool, str, str], tuple[object, SSL.Context]] = {}  # with what they were made of

    def secure(host: str, verify: bool, authorities: str, certificate: str) -> Any:
        shown = _shown(files, certificate, own)
        believed = _stamp(authorities) if verify and authorities else 0
        key = (verify, authorities if verify else "", certificate)
        made_of = (believed, shown)
        known = contexts.get(key)
        if known is None or known[0] != made_of:
            known = contexts[key] = (made_of, _context(verify, authorities, shown))
        return (_Verified if verify else _Creator)(known[1], host)

    return secure


def _shown(files: CertificateFiles, certificate: str, own: tuple[str, str] | None) -> ClientCertificate | None:
    """Without the file that an administrator named there is no session: a server that knows us by it would take us
    for a stranger. Without our own there is: no server was promised that."""
    if certificate == NONE or not (certificate or own):
        return None
    try:
        if certificate:
            return files.get(certificate)
        return files.get(*own) if own else None
    except (OSError, ValueError) as error:
        if not certificate:
            return None
        raise ValueError(f"{certificate}: {_why(error)}") from None


def _stamp(authorities: str) -> int:
    try:
        return Path(authorities).stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"{authorities}: {_why(error)}") from None


def _context(verify: bool, authorities: str, shown: ClientCertificate | None) -> SSL.Context:
    options: dict[str, Any] = {}
    if shown is not None:
        leaf, *chain = shown.chain
        options = {"certificate": leaf, "extraCertChain": chain, "privateKey": shown.key}
    if verify and not authorities:
        options["trustRoot"] = platformTrust()  # type: ignore[no-untyped-call]
    try:
        if verify and authorities:
            read_authorities(authorities)
        context = CertificateOptions(**options).getContext()
        if verify and authorities:
            context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        raise ValueError(f"{authorities}: {_why(error)}") from None
    return context


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def read_authorities(path: str) -> list[x509.Certificate]:
    """Returns the certificates of a PEM file. Raises OSError, or ValueError with what is wrong with it."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except ValueError:
        raise ValueError("has no certificates in PEM form") from None


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """Encrypts against listeners on the way; says the host's name, since some servers choose a certificate by it."""

    def __init__(self, context: SSL.Context, host: str) -> None:
        self.fault = ""
        self._context = context
        self._host = host

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802
        connection = SSL.Connection(self._context, None)
        name = None if _is_address(self._host) else server_name(self._host)
        if name is not None:
            connection.set_tlsext_host_name(name)
        return connection


class _Verified(_Creator):
    """Goes on only with a server that an authority vouches for by this name."""

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802
        connection = super().clientConnectionForTLS(protocol)
        connection.set_verify(SSL.VERIFY_PEER, self._verify)
        return connection

    def _verify(self, _: object, certificate: Any, error: int, depth: int, well: int) -> bool:
        shown: x509.Certificate = certificate.to_cryptography()
        if not well:
            what = "the certificate" if depth == 0 else "an authority's certificate"
            self.fault = (
                self.fault or f"{what} {_FAULTS.get(error, f'does not verify (error {error})')}{_when(shown, error)}"
            )
            return False
        if depth > 0:
            return True
        try:  # RFC 9525 §6.1: the names in subjectAltName, and no other
            if _is_address(self._host):
                verify_certificate_ip_address(shown, self._host)
            else:
                verify_certificate_hostname(shown, (server_name(self._host) or b"").decode("ascii"))
        except (VerificationError, CertificateError, ValueError):
            self.fault = f"the certificate is for {_names(shown)}, not for {self._host}"
            return False
        return True


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _when(certificate: x509.Certificate, error: int) -> str:
    if error == 10:
        return f" on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if error == 9:
        return f": from {certificate.not_valid_before_utc:%Y-%m-%d} on"
    return ""


def _names(certificate: x509.Certificate) -> str:
    """Whom it is for, shortly."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "nobody: it has no subjectAltName"
    names = [str(name.value) for name in extension if isinstance(name, x509.DNSName | x509.IPAddress)]
    return ", ".join(names[:5]) + (" and more" if len(names) > 5 else "") if names else "nobody"
