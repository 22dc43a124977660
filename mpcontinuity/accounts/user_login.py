"""Logs users in: whether a name and a secret belong together, the one answer that IMAP, POP3, SMTP and the web ask for.

A secret is a password, or a proof of it by SCRAM (RFC 5802). How it is judged is in accounts/judging.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mpcontinuity.accounts import users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.judging import Judge, renew_later
from mpcontinuity.accounts.logins import Logins
from mpcontinuity.accounts.passwords import prepare
from mpcontinuity.accounts.throttle import digest_of
from mpcontinuity.accounts.users import Credentials, User
from mpcontinuity.accounts.web_sessions import Session
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS, Keys, make_keys, read_keys, unknown_keys
from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_NOBODY = 0  # no account has this id: who is unknown costs the same look into the store

# Salts of names that nobody has are made of it: the same for every process, and after a restart.
_SECRET = "unknown names"  # its key in `meta`
_SECRET_OCTETS = 32


class UserLogin:
    """Logs users in, in the reactor thread. Unknown names are told the same as wrong passwords, in about the same time.

    ``outcomes`` counts attempts by what became of them: ``succeeded``, ``failed`` or ``throttled``. ``logins`` is told
    by the doors who has logged in.
    """

    def __init__(self, store: Store, directory: Directory, judge: Judge) -> None:
        self._store = store
        self._directory = directory
        self._judge = judge
        self.logins = Logins(store)
        self.randomness = judge.randomness
        self.outcomes: Counter[str] = Counter(succeeded=0, failed=0, throttled=0)
        self._secret = b""

    async def check(self, name: str, password: str, peer: str) -> User | None:
        """Returns the user, or None: unknown, wrong, not active, or guessed too often from ``peer`` (an IP address).

        Raises Temporary when it cannot be told now, or when others guess from there.
        """
        user = await self._find(name)
        look = partial(self._password, user, password, peer)
        changes = await self._judge.judge(_who(user, name), password, peer, look, self.outcomes)
        return await self._let_in(user, changes)

    async def keys(self, name: str) -> Keys:
        """Returns what SCRAM shows of a user; of one who cannot log in by it, keys that no proof fits.

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        found, _ = await self._keys_of(user)
        return found or unknown_keys(_compared(name), await self._secret_of_unknown())

    async def prove(self, name: str, shown: Keys, message: bytes, peer: str, proves: Callable[[], bool]) -> User | None:
        """Returns the user, if the client's ``message`` ``proves`` the password that ``shown`` was made of, and that
        is theirs still; else None, as `check` does. Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)

        async def proved() -> int | None:
            current, changes = await self._keys_of(user)
            return changes if proves() and current == shown else None

        changes = await self._judge.judge(_who(user, name), message, peer, proved, self.outcomes)
        return await self._let_in(user, changes)

    async def still(self, user: User) -> User | None:
        """Returns the user, or None if they were closed or got another password since they proved who they are."""
        return await self._let_in(user, user.password_changes)

    async def _let_in(self, user: User | None, changes: int | None) -> User | None:
        """As they are now, with which of their passwords they proved: a later change of it ends the session."""
        if user is None or changes is None:
            return None
        now = await self._directory.user(parse(user.address))
        if now is None or now.id != user.id or now.status != "active" or now.password_changes > changes:
            return None
        return replace(now, password_changes=changes)

    async def _keys_of(self, user: User | None) -> tuple[Keys | None, int]:
        """And which of their passwords they are of."""
        kept = await self._credentials(user)
        return read_keys(kept.scram) if user is not None and user.status == "active" else None, kept.changes

    async def _credentials(self, user: User | None) -> Credentials:
        return await self._store.read(partial(users.credentials, account=user.id if user else _NOBODY))

    async def _secret_of_unknown(self) -> bytes:
        if not self._secret:
            fresh = self.randomness.bytes(_SECRET_OCTETS).hex()
            self._secret = bytes.fromhex(await self._store.run(partial(_kept_secret, fresh=fresh)))
        return self._secret

    async def _find(self, name: str) -> User | None:
        try:
            address = parse(name.strip())
        except BadAddress:
            return None
        return await self._directory.user(address)

    async def _password(self, user: User | None, password: str, peer: str) -> int | None:
        """Which of the user's passwords it is, where it is the present one."""
        active = user is not None and user.status == "active"
        if user and active and self._judge.remembers(_which(user, user.password_changes), password):
            return user.password_changes
        kept = await self._credentials(user)
        right = await self._judge.is_right(_which(user, kept.changes), password, kept.hash, peer)
        if user is None or not active or not right:
            return None
        renew_later(self._renew(user, password, kept, peer))
        return kept.changes

    async def _renew(self, user: User, password: str, kept: Credentials, peer: str) -> None:
        """Here alone the password is known: what is derived of it is made as the configuration wants it now."""
        if not kept.scram:
            salt = self.randomness.bytes(SALT_OCTETS)
            made = str(await self._judge.compute(partial(make_keys, prepare(password), salt), peer))
            await self._store.run(partial(users.keep_keys, account=user.id, password_hash=kept.hash, scram=made))
        new = await self._judge.renewed(password, kept.hash, peer)
        if new is not None:
            await self._store.run(partial(users.replace_hash, account=user.id, old=kept.hash, new=new))


def signed_in(tx: Transaction, session: Session) -> User | None:
    """Returns the user of a session of a browser (accounts/web_sessions.py), as they are now.

    None where they are gone or not active, or have another password than the one by which the session was begun.
    """
    user = users.by_id(tx, int(session.whose))
    active = user is not None and user.status == "active" and user.password_changes == session.password
    return user if active else None


def _who(user: User | None, name: str) -> bytes:
    """What failures are counted by: whoever is reached by that name, else the name itself; a digest, however long."""
    return digest_of(f"account {user.id}" if user is not None else f"name {_compared(name)}")


def _which(user: User | None, changes: int) -> str:
    return f"account {user.id if user else _NOBODY}: {changes}"


def _compared(name: str) -> str:
    """Every spelling of a name that would reach the same user, if there were one, as one."""
    try:
        return parse(name.strip()).untagged_key
    except BadAddress:
        return name.strip().lower()


def _kept_secret(tx: Transaction, fresh: str) -> str:
    return meta.put_new(tx, _SECRET, fresh)
