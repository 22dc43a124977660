"""Whether a name and a password belong together: the one answer that IMAP, POP3, submission and the web ask for."""

from __future__ import annotations

import hmac
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import users
from mpcontinuity.accounts.directory import Directory, User
from mpcontinuity.accounts.passwords import Passwords, prepare
from mpcontinuity.accounts.throttle import Throttle, digest_of
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.events import AccountsChanged, DomainsChanged, Everything, Notice
from mpcontinuity.model.hosts import contains, host_of
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Network
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS, Keys, make_keys, read_keys, unknown_keys
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# Runs the slow verification elsewhere, for a client host: these take turns. Raises Temporary when too many wait.
Compute = Callable[[Callable[[], Any], str], Awaitable[Any]]
Sleep = Callable[[float], Awaitable[None]]

_REMEMBERED_FOR = 5 * MINUTE
_REMEMBERED = 10_000
_NOBODY = 0  # no account has this id: who is unknown costs the same look into the store

# Salts of names that nobody has are made of it: the same for every process, and after a restart.
_KEEP_SECRET = Statement("INSERT INTO meta (key, value) VALUES ('unknown names', :fresh) ON CONFLICT (key) DO NOTHING")
_SECRET = Statement("SELECT value FROM meta WHERE key = 'unknown names'")
_SECRET_OCTETS = 32

_log = Logger()


class Login:
    """In the reactor thread. Says the same, in about the same time, for unknown names and wrong passwords."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        passwords: Passwords,
        *,
        failures: int,
        failures_per_host: int,
        trusted: Sequence[Network],
        compute: Compute,
        sleep: Sleep,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store = store
        self._directory = directory
        self._passwords = passwords
        self.throttle = Throttle(failures, failures_per_host, clock)
        self._trusted = tuple(trusted)
        self._compute = compute
        self._sleep = sleep
        self._clock = clock
        self.randomness = randomness
        self._secret = b""
        self._key = randomness.bytes(32)
        self._right: OrderedDict[bytes, int] = OrderedDict()  # digest of account and password: until
        self._generation = 0
        self.outcomes: Counter[str] = Counter(succeeded=0, failed=0, throttled=0)
        store.listen(self._heard)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, AccountsChanged | DomainsChanged | Everything) for notice in notices):
            self._right.clear()
            self._generation += 1

    async def check(self, name: str, password: str, peer: str) -> User | None:
        """The user, or None: unknown, wrong, not active, or guessed too often from ``peer`` (an IP address).

        Raises Temporary when it cannot be told now, or when others guess from there.
        """
        user = await self._find(name)
        who = _who(user, name)
        digest = hmac.digest(self._key, who + password.encode("utf-8", "surrogatepass"), "sha256")
        changes = await self._judged(who, peer, digest, partial(self._right_password, user, password, digest, peer))
        return await self._let_in(user, changes)

    async def keys(self, name: str) -> Keys:
        """What SCRAM shows of a user; of one who cannot log in by it, what no proof fits.

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        found, _ = await self._keys_of(user)
        return found or unknown_keys(_compared(name), await self._secret_of_unknown())

    async def prove(self, name: str, shown: Keys, message: bytes, peer: str, proves: Callable[[], bool]) -> User | None:
        """The user, if the client's ``message`` ``proves`` the password that ``shown`` was made of, and it is theirs
        still; else None, as `check`. Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        digest = hmac.digest(self._key, message, "sha256")

        async def proved() -> int | None:
            current, changes = await self._keys_of(user)
            return changes if proves() and current == shown else None

        return await self._let_in(user, await self._judged(_who(user, name), peer, digest, proved))

    async def still(self, user: User) -> User | None:
        """The user, unless they were closed or got another password since they proved to be who they are."""
        return await self._let_in(user, user.password_changes)

    async def _let_in(self, user: User | None, changes: int | None) -> User | None:
        """As they are now, with which of their passwords they proved: a later change of it ends the session."""
        if user is None or changes is None:
            return None
        now = await self._directory.user(parse(user.address))
        if now is None or now.id != user.id or now.status != "active" or now.password_changes > changes:
            return None
        return replace(now, password_changes=changes)

    async def _judged(
        self, who: bytes, peer: str, digest: bytes, right: Callable[[], Awaitable[int | None]]
    ) -> int | None:
        """What is found ``right``, told not sooner than the throttle allows; who is refused by that is not asked."""
        host = host_of(peer)
        wait = self.throttle.begin(who, host, digest, exempt=contains(self._trusted, peer))
        if wait is None:
            self.outcomes["throttled"] += 1
            return None
        try:
            if wait:
                await self._sleep(wait)
            found = await right()
        except BaseException:
            self.throttle.abandoned(who, host, digest)
            raise
        if found is None:
            self.throttle.failed(who, host, digest)
            self.outcomes["failed"] += 1
            return None
        self.throttle.succeeded(who, host)
        self.outcomes["succeeded"] += 1
        return found

    async def _keys_of(self, user: User | None) -> tuple[Keys | None, int]:
        """And which of their passwords they are of."""
        kept = await self._store.read(partial(users.credentials, account=user.id if user else _NOBODY))
        return read_keys(kept.scram) if user is not None and user.status == "active" else None, kept.changes

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

    async def _right_password(self, user: User | None, password: str, digest: bytes, peer: str) -> int | None:
        """Which of the user's passwords it is, where it is the present one."""
        if user is not None and self._right.get(digest, 0) > self._clock.now():
            return user.password_changes
        generation = self._generation
        kept = await self._store.read(partial(users.credentials, account=user.id if user else _NOBODY))
        right = await self._compute(partial(self._passwords.verify, password, kept.hash), host_of(peer))
        if user is None or user.status != "active" or not right:
            return None
        if not kept.scram or self._passwords.outdated(kept.hash):
            renewal = self._renew(user, password, kept.hash, keys=not kept.scram, peer=peer)
            Deferred.fromCoroutine(renewal).addErrback(_not_renewed)
        if generation == self._generation:  # else the password may have been changed meanwhile: not remembered
            self._right[digest] = self._clock.now() + _REMEMBERED_FOR
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return kept.changes

    async def _renew(self, user: User, password: str, old: str, *, keys: bool, peer: str) -> None:
        """Here alone the password is known: what is derived of it is made as the configuration wants it now."""
        host = host_of(peer)
        if keys:
            salt = self.randomness.bytes(SALT_OCTETS)
            made = str(await self._compute(partial(make_keys, prepare(password), salt), host))
            await self._store.run(partial(users.keep_keys, account=user.id, password_hash=old, scram=made))
        if self._passwords.outdated(old):
            new = await self._compute(partial(self._passwords.hash, password), host)
            await self._store.run(partial(users.replace_hash, account=user.id, old=old, new=new))


def _who(user: User | None, name: str) -> bytes:
    """What failures are counted by: whoever is reached by that name, else the name itself; a digest, however long."""
    return digest_of(f"account {user.id}" if user is not None else f"name {_compared(name)}")


def _compared(name: str) -> str:
    """Every spelling of a name that would reach the same user, if there were one, as one."""
    try:
        return parse(name.strip()).untagged_key
    except BadAddress:
        return name.strip().lower()


def _kept_secret(tx: Transaction, fresh: str) -> str:
    tx.run(_KEEP_SECRET, fresh=fresh)
    return str(tx.value(_SECRET))


def _not_renewed(failure: Failure) -> None:
    """The next login tries again."""
    _log.warn("what is kept of a password is not renewed: {error}", error=failure.value)
