"""Ends the connections of users who were deactivated or removed, or log in by something else now, at whichever
door."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.users import User
from mpcontinuity.door.lastword import (
    ACCOUNT_CLOSED,
    APP_PASSWORD_NEEDED,
    APP_PASSWORD_REMOVED,
    PASSWORD_CHANGED,
    LastWord,
)
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import AccountsChanged, Everything, Notice
from mpcontinuity.model.timer import Timer

_AGAIN = 5.0  # s, where the store cannot say it now

_log = Logger()


class Closable(Protocol):
    """A connection as far as its end is concerned."""

    @property
    def user(self) -> User | None:
        """The user who is logged in on it."""
        ...

    def stop(self, word: LastWord) -> None:
        """Says ``word`` as soon as the protocol allows, and hangs up."""
        ...


class Closing:
    """Listens to what changes in the store, for the ``connections`` of one door that are open at any time."""

    def __init__(self, directory: Directory, timer: Timer, connections: Collection[Closable]) -> None:
        self._directory = directory
        self._timer = timer
        self._connections = connections

    def heard(self, notices: Sequence[Notice]) -> None:
        """Looks at each connection whose user may have changed. It is a listener of the store."""
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

    async def _check(self, connection: Closable, user: User) -> None:
        while connection in self._connections:
            try:
                now = await self._directory.user(parse(user.address))
                stands = await self._directory.app_password_stands(user)
            except Stopping:
                return
            except Temporary as error:
                _log.warn("cannot tell whether users are still active: {error}", error=error, often=True)
                later: Deferred[None] = Deferred()
                self._timer.callLater(_AGAIN, later.callback, None)
                await later
                continue
            if now is None or now.id != user.id or now.status != "active":
                connection.stop(ACCOUNT_CLOSED)
            elif not stands:
                connection.stop(APP_PASSWORD_REMOVED)
            elif now.password_changes != user.password_changes and not user.app_password:
                connection.stop(PASSWORD_CHANGED)
            elif now.second_factor and not user.app_password:
                connection.stop(APP_PASSWORD_NEEDED)
            return
