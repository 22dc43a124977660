"""The IMAP door: a Twisted factory for any number of endpoints."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from mpcontinuity.access.imap.connection import Connection
from mpcontinuity.access.imap.services import Services
from mpcontinuity.door.closing import Closing


class ImapFactory(ServerFactory):
    """``implicit_tls``: of port 993, whose transport is under TLS already; else 143 with STARTTLS."""

    noisy = False
    TURNED_AWAY: Final = b"* BYE [UNAVAILABLE] too many connections\r\n"  # said to who is not let in

    def __init__(self, services: Services, *, implicit_tls: bool = False) -> None:
        self.connections: set[Connection] = set()
        self.services = services
        self._implicit_tls = implicit_tls
        services.store.listen(Closing(services.directory, services.timer, self.connections).heard)

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # type: ignore[override]  # noqa: N802
        connection = Connection(self.services, implicit_tls=self._implicit_tls)
        connection.factory = self
        return connection

    def count(self) -> int:
        return len(self.connections)

    def stop(self) -> None:
        """At shutdown: BYE to every session."""
        for connection in list(self.connections):
            connection.stop("the server stops")
