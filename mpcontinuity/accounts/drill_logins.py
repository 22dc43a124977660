"""Notes who logs in during a drill, and by what: for its report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import drills
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.logins import Login, Logins
from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.events import DomainsChanged, Everything, Notice
from mpcontinuity.store.store import Store

_log = Logger()

_Key = tuple[int, int, str]  # drill, account, door


class DrillLogins:
    """Hears of each login at this process, in the reactor thread. Logins of users in no drill cost no transaction, and
    those of the others one at a time, however many they are."""

    def __init__(self, store: Store, directory: Directory, logins: Logins) -> None:
        self._store = store
        self._directory = directory
        self._domains: list[Domain] | None = None  # with a drill; None: to be asked for
        self._waiting: dict[_Key, drills.Login] = {}
        self._writing = False
        store.listen(self._heard)
        logins.listen(self._logged_in)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            self._domains = None

    def _logged_in(self, login: Login) -> None:
        if self._domains is None or self._domains:
            Deferred.fromCoroutine(self._note(login)).addErrback(self._failed)

    async def _note(self, login: Login) -> None:
        if self._domains is None:
            self._domains = [domain for domain in await self._directory.domains() if domain.drill is not None]
        for domain in self._domains:
            if domain.drill is not None and login.account in domain.drilled(login.time):
                key = (domain.drill.id, login.account, login.door)
                known = self._waiting.get(key)
                first, times = (known.first, known.times) if known is not None else (login.time, 0)
                self._waiting[key] = drills.Login(login.account, login.door, first, login.time, times + 1)
        if not self._writing:
            self._writing = True
            try:
                await self._write()
            finally:
                self._writing = False

    async def _write(self) -> None:
        """What cannot be written waits for the next login."""
        while self._waiting:
            drill = next(iter(self._waiting))[0]
            batch = {key: login for key, login in self._waiting.items() if key[0] == drill}
            note = partial(drills.note_logins, drill=drill, logins=list(batch.values()))
            for key in batch:
                del self._waiting[key]
            try:
                await self._store.run(note)
            except BaseException:
                self._waiting = {**batch, **self._waiting}
                raise

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, Stopping):
            _log.warn("a login is missing in the report of a drill: {why}", why=failure.getErrorMessage(), often=True)
