"""The names that a client has proven by its certificate: asked of those who come from a home server that many share."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto


@lru_cache(maxsize=1)
def _system() -> SSL.Context:
    """Holds the authorities that the system believes; they live as long as it does."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_default_verify_paths()
    return context


def names(transport: Any, authorities: crypto.X509Store | None = None) -> tuple[str, ...]:
    """Returns the DNS names in the client's certificate, in lower case.

    There are none without TLS, without a certificate, and where none of the ``authorities`` has signed it; without
    ``authorities`` those count that the system believes.
    """
    handle = getattr(transport, "getHandle", None)
    connection = handle() if handle is not None else None
    if not isinstance(connection, SSL.Connection):
        return ()
    certificate = connection.get_peer_certificate()
    if certificate is None:
        return ()
    chain = connection.get_peer_cert_chain() or []
    believed = authorities or _system().get_cert_store()
    assert believed is not None
    try:
        crypto.X509StoreContext(believed, certificate, chain).verify_certificate()
    except crypto.X509StoreContextError:
        return ()
    return _names(certificate.to_cryptography())


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))
