"""The POP3 door: a Twisted factory for any number of endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.access.pop3.connection import Connection
from mpcontinuity.access.pop3.services import Services
from mpcontinuity.accounts.directory import User
from mpcontinuity.model.address import parse
from mpcontinuity.model.events import AccountsChanged, Notice

_log = Logger()


class Pop3Factory(ServerFactory):
    """``implicit_tls``: of port 995, whose transport is under TLS already; else 110 with STLS."""

    noisy = False

    def __init__(self, services: Services, *, implicit_tls: bool = False) -> None:
        self.connections: set[Connection] = set()
        self._services = services
        self._implicit_tls = implicit_tls
        services.store.listen(self._heard)

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

    def _heard(self, notices: Sequence[Notice]) -> None:
        """Sessions of users that were deactivated or removed end."""
        changed = [notice for notice in notices if isinstance(notice, AccountsChanged)]
        accounts = {notice.account for notice in changed}
        domains = {notice.domain for notice in changed if not notice.account}
        for connection in self.connections if changed else ():
            user = connection.user
            if user is not None and (user.id in accounts or user.domain in domains):
                Deferred.fromCoroutine(self._check(connection, user)).addErrback(_failed)

    async def _check(self, connection: Connection, user: User) -> None:
        now = await self._services.directory.user(parse(user.address))
        if now is None or now.id != user.id or now.status != "active":
            connection.stop("the account was closed")


def _failed(failure: Failure) -> None:
    _log.failure("cannot tell whether a user is still active", failure)
