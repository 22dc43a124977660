"""The certificate that we show to a server that asks for one, read anew when its files change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from twisted.logger import Logger

NONE = "none"  # in place of a file: no certificate is shown
_LARGEST = 1 << 20  # octets of a file: a chain and a key have 10 KiB

_log = Logger()


@dataclass(frozen=True, slots=True, eq=False)
class ClientCertificate:
    """A certificate with its key. ``chain`` begins with the certificate itself, and each is followed by its issuer."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes


def read_certificate(path: str, key_path: str = "") -> ClientCertificate:
    """Returns the certificate of a PEM file, with the key from ``key_path``, or from the same file.

    Nothing is asked of the purposes that it names (extended key usage): servers that bind a connector to it compare
    names, and the usage for clients is no longer issued by public authorities. Raises OSError where a file cannot be
    read, and ValueError with what is wrong with one.
    """
    pem = _content(path)
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise ValueError("has no certificate in PEM form") from None
    try:
        key = load_pem_private_key(_content(key_path) if key_path else pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("has no private key in PEM form without a passphrase beside its certificate") from None
    if _public(chain[0].public_key()) != _public(key.public_key()):
        raise ValueError("its key does not belong to its first certificate")
    return ClientCertificate(chain, key)


class CertificateFiles:
    """Keeps what was read from files of certificates, by their paths, until they change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[object, ClientCertificate]] = {}

    def get(self, path: str, key_path: str = "") -> ClientCertificate:
        """Returns what the files hold. Where they have changed into something unusable, as in the middle of a
        replacement, it is what they held before. Raises OSError or ValueError where there was nothing before."""
        known = self._known.get((path, key_path))
        try:
            state = (_state(path), _state(key_path) if key_path else None)
            if known is not None and known[0] == state:
                return known[1]
            read = read_certificate(path, key_path)
        except (OSError, ValueError) as error:
            if known is None:
                raise
            _log.warn("the certificate {path} cannot be used: {error}", path=path, error=str(error), often=True)
            return known[1]
        self._known[path, key_path] = (state, read)
        return read


def _state(path: str) -> tuple[int, int, int]:
    facts = Path(path).stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"has more than {_LARGEST} octets")
    return content


def _public(key: object) -> bytes:
    """The key in the one form in which two can be compared."""
    encode = getattr(key, "public_bytes", None)
    if encode is None:
        return b""
    encoded: bytes = encode(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded
