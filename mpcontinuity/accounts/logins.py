"""When users have logged in last, and by what: noted beside the login, which it costs no transaction.

Logins are gathered in memory and written in batches, for each user once a minute at most. A crash loses those of the
last seconds. Nothing is announced: what is remembered of users (accounts/directory.py) does not have it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from twisted.logger import Logger

from mpcontinuity.accounts import app_passwords
from mpcontinuity.accounts.users import User
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

EVERY: Final = 10.0  # s between two batches: what a crash loses
EXACT_TO: Final = MINUTE  # mail programs log in every few minutes, on several connections each
_STEP: Final = 200  # rows of a transaction: they are locked against what is counted of owed mail
_WAITING: Final = 50_000  # logins that wait for a database that is away; the oldest are dropped above it

_Batch = Mapping[tuple[int, int], "Login"]  # by account and app password

_NOTE = Statement(
    "UPDATE account SET last_login = :time, last_login_by = :door "
    "WHERE id = :account AND (last_login < :before OR last_login > :time)"
)

_log = Logger()


class Login(NamedTuple):
    """A login of the user with the account of that id, by a door ("IMAP", "POP3", "SMTP" or "web"), from a client's IP
    address at a time in µs; by the app password of that id, 0 where it was their own."""

    account: int
    door: str
    peer: str
    time: int
    app_password: int = 0


Heard = Callable[[Login], None]


class Logins:
    """The logins at one process that are not written yet; it lives in the reactor thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: OrderedDict[tuple[int, int], Login] = OrderedDict()  # by account and app password
        self._listeners: list[Heard] = []

    def listen(self, heard: Heard) -> None:
        """Has every login at this process told to ``heard``, at once."""
        self._listeners.append(heard)

    def note(self, user: User, door: str, peer: str) -> None:
        """Notes that a user has logged in by a door from ``peer`` (an IP address) now."""
        login = Login(user.id, door, peer, self._store.clock.now(), user.app_password)
        self._waiting[user.id, user.app_password] = login
        if len(self._waiting) > _WAITING:
            self._waiting.popitem(last=False)
        for heard in self._listeners:
            heard(login)

    async def write(self) -> None:
        """Writes what was noted: to be done every `EVERY` seconds, and at the end. A store that is away is logged, and
        what could not be written is written the next time."""
        while self._waiting:
            batch = dict(sorted(self._waiting.items())[:_STEP])
            for key in batch:
                del self._waiting[key]
            try:
                await self._store.run(partial(_write, batch=batch), bulk=True)
            except Temporary as error:
                for key, login in batch.items():
                    self._waiting.setdefault(key, login)
                _log.warn("last logins are not noted: {error}", error=error, often=True)
                return


def _write(tx: Transaction, batch: _Batch) -> None:
    """In ascending order of accounts, as all rows are locked that several transactions may want."""
    tx.many(
        _NOTE,
        [
            {"account": account, "time": login.time, "door": login.door, "before": login.time - EXACT_TO}
            for (account, _), login in batch.items()
        ],
    )
    for (account, app_password), login in batch.items():
        if app_password:
            app_passwords.note_use(tx, account, app_password, login.time, login.door, login.peer)
