"""Sessions of users that were deactivated or removed, or got another password, end, whichever door they came in by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts.directory import Directory, User
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import AccountsChanged, Everything, Notice
from mpcontinuity.model.timer import Timer

_AGAIN = 5.0  # s, where the store cannot say it now

_log = Logger()


class Connection(Protocol):
    @property
    def user(self) -> User | None:
        """Who is logged in."""
        ...

    def stop(self, last_word: str) -> None: ...


class Closing:
    """Of one door; ``connections`` are those that are open at any time."""

    def __init__(self, directory: Directory, timer: Timer, connections: Collection[Connection]) -> None:
        self._directory = directory
        self._timer = timer
        self._connections = connections

    def heard(self, notices: Sequence[Notice]) -> None:
        """A listener of the store."""
        changed = [notice for notice in notices if isinstance(notice, AccountsChanged)]
        everything = any(isinstance(notice, Everything) for notice in notices)
        if not changed and not everything:
            return
        accounts = {notice.account for notice in changed}
        domains = {notice.domain for notice in changed if not notice.account}
        for connection in list(self._connections):
            user = connection.user
            if user is not None and (everything or user.id in accounts or user.domain in domains):
                Deferred.fromCoroutine(self._check(connection, user))

    async def _check(self, connection: Connection, user: User) -> None:
        while connection in self._connections:
            try:
                now = await self._directory.user(parse(user.address))
            except Stopping:
                return
            except Temporary as error:
                _log.warn("cannot tell whether users are still active: {error}", error=error, often=True)
                later: Deferred[None] = Deferred()
                self._timer.callLater(_AGAIN, later.callback, None)
                await later
                continue
            if now is None or now.id != user.id or now.status != "active":
                connection.stop("the account was closed")
            elif now.password_changes != user.password_changes:
                connection.stop("the password was changed")
            return
