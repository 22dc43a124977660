"""The POP3 door: a Twisted factory for any number of endpoints."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from mpcontinuity.access.pop3.connection import Connection
from mpcontinuity.access.pop3.services import Services
from mpcontinuity.door.closing import Closing


class Pop3Factory(ServerFactory):
    """``implicit_tls``: of port 995, whose transport is under TLS already; else 110 with STLS."""

    noisy = False
    TURNED_AWAY: Final = b"-ERR [SYS/TEMP] too many connections\r\n"  # said to who is not let in

    def __init__(self, services: Services, *, implicit_tls: bool = False) -> None:
        self.connections: set[Connection] = set()
        self._services = services
        self._implicit_tls = implicit_tls
        services.store.listen(Closing(services.directory, services.timer, self.connections).heard)

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # type: ignore[override]  # noqa: N802
        connection = Connection(self._services, implicit_tls=self._implicit_tls)
        connection.factory = self
        return connection

    def count(self) -> int:
        """Connections that are open."""
        return len(self.connections)

    def stop(self) -> None:
        """At shutdown: the last word to every session, and nothing that was marked goes."""
        for connection in list(self.connections):
            connection.stop("the server stops")
