"""The server's certificate: made self-signed where there is none, and taken anew when its files change."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from mpcontinuity.app.listening.handshakes import Handshakes
from mpcontinuity.config.read import BadConfiguration
from mpcontinuity.model.settings import Settings, Tls

_LIFETIME = timedelta(days=825)  # what Apple's clients accept at most
_LOOK_EVERY = 5.0  # s
# Forward secrecy and AEAD; TLS 1.3 has suites of its own.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:ECDHE+AES128:!SHA1:!aNULL"

_log = Logger()


def make_if_missing(settings: Settings) -> bool:
    """Makes a self-signed certificate and its key if neither exists, and tells whether it did. Raises BadConfiguration
    where only one of them exists.
    """
    certificate, key = Path(settings.tls.certificate), Path(settings.tls.private_key)
    if certificate.exists() and key.exists():
        return False
    if certificate.exists() or key.exists():
        there, missing = ("certificate", key) if certificate.exists() else ("private_key", certificate)
        raise BadConfiguration(
            f"tls.{there}: is there, but {missing} is missing: bring it, or remove both for a self-signed pair"
        )
    _make(settings.hostname, certificate, key)
    return True


def _make(hostname: str, certificate_path: Path, key_path: Path) -> None:
    """ECDSA: an RSA handshake costs ten times as much."""
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    if hostname != "localhost":
        names.insert(0, _name(hostname))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname.strip("[]")[:64])])
    builder = _validity(x509.CertificateBuilder())
    certificate = (
        builder.subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(key_path, secret, 0o600)
    _write(certificate_path, certificate.public_bytes(Encoding.PEM), 0o644)


def _name(hostname: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(hostname.strip("[]").removeprefix("IPv6:")))
    except ValueError:
        return x509.DNSName(hostname)


def _validity(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) - timedelta(hours=1)  # clients whose clock is a little behind
    return builder.not_valid_before(begin).not_valid_after(begin + _LIFETIME)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(content)


def load(tls: Tls) -> SSL.Context:
    """Returns a context that serves the certificate and key of the configuration. Raises BadConfiguration."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(_CIPHERS)
    # Tickets are OpenSSL's default and spare returning clients the handshake; a session needs a name to be taken up.
    context.set_session_id(b"mpcontinuity")
    _check(tls)
    try:
        context.use_certificate_chain_file(tls.certificate)
        context.use_privatekey_file(tls.private_key)
        context.check_privatekey()
    except SSL.Error:
        raise BadConfiguration(f"tls.private_key: {tls.private_key}: is not the key of {tls.certificate}") from None
    return context


def leaf(tls: Tls) -> x509.Certificate:
    """Returns the server's own certificate, which stands first in the file. Raises OSError or ValueError."""
    return x509.load_pem_x509_certificates(Path(tls.certificate).read_bytes())[0]


def _check(tls: Tls) -> None:
    """Each file by itself, so that an error can name it."""
    for key, path, parse, what in (
        ("certificate", tls.certificate, x509.load_pem_x509_certificates, "a certificate"),
        ("private_key", tls.private_key, _load_key, "a private key without passphrase"),
    ):
        try:
            parse(Path(path).read_bytes())
        except OSError as error:
            raise BadConfiguration(f"tls.{key}: {path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadConfiguration(f"tls.{key}: {path}: must be a PEM file with {what}") from None


def _load_key(pem: bytes) -> object:
    return load_pem_private_key(pem, None)


def _anybody(*_: object) -> bool:
    """Clients without a certificate, or with one that nobody knows, are as welcome as others."""
    return True


@implementer(IOpenSSLServerConnectionCreator)
class AskingClients:
    """Serves the same certificate, and asks clients for theirs where there is a reason to.

    It does not always ask: some old mail servers give up when they are asked (Postfix says so of smtpd_tls_ask_ccert).
    """

    def __init__(self, certificate: Certificate, wanted: Callable[[], bool]) -> None:
        """``wanted`` says, for each handshake, whether to ask."""
        self._certificate = certificate
        self._wanted = wanted

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        certificate = self._certificate
        return certificate.connection(protocol, certificate.asking() if self._wanted() else certificate.context)


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """Gives each new TLS session what the files held last; a session that stands keeps what it began with."""

    def __init__(self, tls: Tls, clock: IReactorTime, handshake: float) -> None:
        """``handshake`` is the seconds that a client has for it. Raises BadConfiguration."""
        self._tls = tls
        self._handshakes = Handshakes(clock, handshake)
        self._seen = self._state()
        self.context = load(tls)
        self.expires = leaf(tls).not_valid_after_utc.timestamp()  # s since 1970, of the one in use
        self._asking: tuple[SSL.Context, SSL.Context] | None = None  # and the one that it goes with
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        return self.connection(protocol, self.context)

    def connection(self, protocol: Any, context: SSL.Context) -> SSL.Connection:
        """Returns a TLS session for Twisted's ``protocol``, with implicit TLS or after STARTTLS; its handshake is
        timed.
        """
        self._handshakes.begin(protocol)
        return SSL.Connection(context, None)

    def asking(self) -> SSL.Context:
        """Gives a context that asks for the client's certificate and believes nothing of it (inbound/certified.py)."""
        if self._asking is None or self._asking[0] is not self.context:
            context = load(self._tls)
            context.set_verify(SSL.VERIFY_PEER, _anybody)
            self._asking = (self.context, context)
        return self._asking[1]

    def start(self) -> None:
        """Looks every few seconds whether the files have changed."""
        self._loop.start(_LOOK_EVERY, now=False)

    def stop(self) -> None:
        """Looks no more."""
        if self._loop.running:
            self._loop.stop()

    def look(self) -> None:
        """Takes changed files. What will not do is logged, and the pair from before goes on."""
        state = self._state()
        if state == self._seen:
            return
        try:
            self.context = load(self._tls)
            self.expires = leaf(self._tls).not_valid_after_utc.timestamp()
        except (BadConfiguration, OSError, ValueError) as error:
            # Half of a pair that is being replaced, perhaps: looked at again as long as it is wrong.
            _log.warn("the certificate on disk cannot be used: {error}", error=str(error))
            return
        self._seen = state
        _log.info("new certificate in use: {certificate}", certificate=self._tls.certificate)

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_fingerprint(path) for path in (self._tls.certificate, self._tls.private_key))


def _fingerprint(path: str) -> tuple[int, int, int]:
    try:
        facts = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)
