"""Names that a client proves by its certificate, over TLS between two ends in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL, crypto

from mpcontinuity.app.listening.certificate import AskingClients, Certificate, make_if_missing
from mpcontinuity.config.read import parse
from mpcontinuity.inbound.certified import names
from tests.fakes.certificates import Authority
from tests.fakes.clock import ManualClock

NAME = "mail.protection.outlook.com"


class Transport:
    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def getHandle(self) -> SSL.Connection:
        return self._connection


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    settings = parse('hostname = "mx.example.org"', tmp_path)
    make_if_missing(settings)
    clock: Any = ManualClock()
    return Certificate(settings.tls, clock, 30)


def handshake(context: SSL.Context, client_file: Path | None) -> Transport:
    """The server's end of a connection."""
    ours = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if client_file is not None:
        ours.use_certificate_file(str(client_file))
        ours.use_privatekey_file(str(client_file))
    client, server = SSL.Connection(ours, None), SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(4):
        for end, other in ((client, server), (server, client)):
            for step in (end.do_handshake, lambda end=end, other=other: other.bio_write(end.bio_read(65536))):
                try:
                    step()
                except SSL.WantReadError:
                    continue
    return Transport(server)


def believing(authority: Authority) -> crypto.X509Store:
    store = crypto.X509Store()
    store.load_locations(str(authority.path))
    return store


def test_a_certificate_by_one_we_believe_proves_its_names(tmp_path: Path, certificate: Certificate) -> None:
    authority = Authority(tmp_path)
    transport = handshake(certificate.asking(), authority.issue(NAME, "Other.Example"))
    assert names(transport, believing(authority)) == (NAME, "other.example")


def test_one_of_a_stranger_or_that_is_over_proves_nothing(tmp_path: Path, certificate: Certificate) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "Stranger")
    for file in (stranger.issue(NAME), authority.issue(NAME, days=-1)):
        transport = handshake(certificate.asking(), file)
        assert transport.getHandle().get_peer_certificate() is not None
        assert names(transport, believing(authority)) == ()
    assert names(transport) == ()  # the system does not believe them either


def test_who_has_none_or_is_not_asked_is_let_in_and_proves_nothing(tmp_path: Path, certificate: Certificate) -> None:
    authority = Authority(tmp_path)
    file = authority.issue(NAME)
    for context, shown in ((certificate.asking(), None), (certificate.context, file)):
        transport = handshake(context, shown)
        assert transport.getHandle().get_peer_finished() is not None
        assert names(transport, believing(authority)) == ()
    assert names(object()) == ()


def test_clients_are_asked_only_where_it_matters(certificate: Certificate) -> None:
    wanted = False
    asking = AskingClients(certificate, lambda: wanted)
    assert asking.serverConnectionForTLS(Speaker()).get_context() is certificate.context
    wanted = True
    assert asking.serverConnectionForTLS(Speaker()).get_context() is certificate.asking() is not certificate.context


class Speaker:
    """What will speak TLS, as far as it is looked at."""
