"""A real process with the IMAP door on real sockets: ``python -m tests.access.imap.server FOLDER [plain]``.

``plain``: who comes from this machine may log in without TLS. Prints the ports of the plain and the TLS door. The users
joe@ and ann@example.org have the password 'secret'.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor as _reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory

from mpcontinuity.access.imap.factory import ImapFactory
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model import settings
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.model.rations import Rations
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Threads
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.failures import tell
from tests.fakes.logins import KnownPassword

reactor: Any = _reactor


def certificate() -> PrivateCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + signed.public_bytes(serialization.Encoding.PEM)
    loaded: PrivateCertificate = PrivateCertificate.loadPEM(pem)
    return loaded


def add_users(tx: Transaction) -> None:
    domain = domains.add(tx, "example.org", settings.DomainSettings())
    for name in ("joe", "ann"):
        users.add_user(tx, domain=domain.id, address=parse(f"{name}@example.org"), password_hash="x")


async def serve(store: Store) -> None:
    directory = Directory(store)
    await store.run(add_users)
    services = ImapServices(
        store=store,
        directory=directory,
        login=KnownPassword(directory),  # type: ignore[arg-type]
        views=Views(store),
        rations=Rations(settings.Limits(), reactor.seconds),
        quotas=Quotas(store, directory, settings.Limits()),
        timer=reactor,
        tls=certificate().options(),
        hostname="localhost",
        limits=settings.Limits(message_size=50_000_000),
        plaintext_login_networks=[ip_network("127.0.0.0/8")] if "plain" in sys.argv else (),
    )
    plain = reactor.listenTCP(0, ImapFactory(services), interface="127.0.0.1")
    imaps: Any = ImapFactory(services, implicit_tls=True)  # an IProtocolFactory, in zope.interface's way
    under_tls = TLSMemoryBIOFactory(services.tls, False, imaps)
    secure = reactor.listenTCP(0, under_tls, interface="127.0.0.1")
    print(plain.getHost().port, secure.getHost().port, flush=True)


def main() -> None:
    folder = Path(sys.argv[1])
    store = open_store(
        folder,
        settings.Store(),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=Threads(),
        disk=RealDisk(),
        reactor_call=reactor.callFromThread,
    )
    reactor.callWhenRunning(lambda: ensureDeferred(serve(store)).addErrback(tell))
    reactor.addSystemEventTrigger("during", "shutdown", store.close)
    reactor.run()


if __name__ == "__main__":
    main()
