"""How connections are made and secured. Everything that opens one takes a ``Connector``, so that a simulation can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IProtocol, IProtocolFactory
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
from zope.interface import implementer

# Host, port, factory of the protocol, seconds until it counts as failed.
Connector = Callable[[str, int, IProtocolFactory, float], Deferred[Any]]
# What makes a client's TLS for a host: for `verify` or not.
Securing = Callable[[str, bool], Any]


def connector(reactor: Any) -> Connector:
    """Over TCP, by the system's resolver; of several addresses the first that answers."""

    def connect(host: str, port: int, factory: IProtocolFactory, timeout: float) -> Deferred[IProtocol]:
        connected: Deferred[IProtocol] = HostnameEndpoint(reactor, host, port, timeout=timeout).connect(factory)
        return connected

    return connect


def securing(trust: Any = None) -> Securing:
    """``trust``: the authorities that `verify` believes (IOpenSSLTrustRoot); those of the system where None."""
    unverified = CertificateOptions().getContext()

    def secure(host: str, verify: bool) -> Any:
        if verify:
            return optionsForClientTLS(host, trustRoot=trust)
        return _Unverified(unverified, host)

    return secure


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Encrypts against listeners on the way; says the host's name, since some servers choose a certificate by it."""

    def __init__(self, context: SSL.Context, host: str) -> None:
        self._context = context
        self._host = host

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802
        connection = SSL.Connection(self._context, None)
        if any(character.isalpha() for character in self._host) and ":" not in self._host:
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection
