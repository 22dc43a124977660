"""Whether a name and a password belong together: the one answer that IMAP, POP3, submission and the web ask for."""

from __future__ import annotations

import hmac
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import users
from mpcontinuity.accounts.directory import Directory, User
from mpcontinuity.accounts.passwords import Passwords, prepare
from mpcontinuity.accounts.throttle import Throttle
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.events import AccountsChanged, DomainsChanged, Everything, Notice
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Network
from mpcontinuity.protocols.sasl.scram import SALT_OCTETS, Keys, make_keys, read_keys, unknown_keys
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# Runs the slow verification elsewhere. Raises Temporary when too many wait already.
Compute = Callable[[Callable[[], Any]], Awaitable[Any]]
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
        trusted: Sequence[Network],
        compute: Compute,
        sleep: Sleep,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store = store
        self._directory = directory
        self._passwords = passwords
        self._throttle = Throttle(failures, clock)
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

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        who = str(user.id) if user else name.strip().lower()
        digest = hmac.digest(self._key, f"{who}\0{password}".encode("utf-8", "surrogatepass"), "sha256")
        right = await self._judged(who, peer, digest, partial(self._right_password, user, password, digest))
        return user if right else None

    async def keys(self, name: str) -> Keys:
        """What SCRAM shows of a user; of one who cannot log in by it, what no proof fits.

        Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        found = await self._keys_of(user)
        return found or unknown_keys(name.strip(), await self._secret_of_unknown())

    async def prove(self, name: str, shown: Keys, message: bytes, peer: str, proves: Callable[[], bool]) -> User | None:
        """The user, if the client's ``message`` ``proves`` the password that ``shown`` was made of, and it is theirs
        still; else None, as `check`. Raises Temporary when it cannot be told now.
        """
        user = await self._find(name)
        who = str(user.id) if user else name.strip().lower()
        digest = hmac.digest(self._key, message, "sha256")

        async def proved() -> bool:
            current = await self._keys_of(user) == shown
            return proves() and current

        return user if await self._judged(who, peer, digest, proved) else None

    async def _judged(self, who: str, peer: str, digest: bytes, right: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it is ``right``, told not sooner than the throttle allows; who is refused by that is not asked."""
        wait = self._throttle.begin(who, peer, digest, exempt=self._exempt(peer))
        if wait is None:
            self.outcomes["throttled"] += 1
            return False
        try:
            if wait:
                await self._sleep(wait)
            found = await right()
        except BaseException:
            self._throttle.abandoned(who, peer, digest)
            raise
        if not found:
            self._throttle.failed(who, peer, digest)
            self.outcomes["failed"] += 1
            return False
        self._throttle.succeeded(who, peer)
        self.outcomes["succeeded"] += 1
        return True

    async def _keys_of(self, user: User | None) -> Keys | None:
        _, text = await self._store.read(partial(users.credentials, account=user.id if user else _NOBODY))
        return read_keys(text) if user is not None and user.status == "active" else None

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

    async def _right_password(self, user: User | None, password: str, digest: bytes) -> bool:
        if user is not None and self._right.get(digest, 0) > self._clock.now():
            return True
        generation = self._generation
        hashed, scram = await self._store.read(partial(users.credentials, account=user.id if user else _NOBODY))
        right = await self._compute(partial(self._passwords.verify, password, hashed))
        if user is None or user.status != "active" or not right:
            return False
        if not scram or self._passwords.outdated(hashed):
            Deferred.fromCoroutine(self._renew(user, password, hashed, keys=not scram)).addErrback(_not_renewed)
        if generation == self._generation:  # else the password may have been changed meanwhile: not remembered
            self._right[digest] = self._clock.now() + _REMEMBERED_FOR
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True

    async def _renew(self, user: User, password: str, old: str, *, keys: bool) -> None:
        """Here alone the password is known: what is derived of it is made as the configuration wants it now."""
        if keys:
            salt = self.randomness.bytes(SALT_OCTETS)
            made = str(await self._compute(partial(make_keys, prepare(password), salt)))
            await self._store.run(partial(users.keep_keys, account=user.id, password_hash=old, scram=made))
        if self._passwords.outdated(old):
            new = await self._compute(partial(self._passwords.hash, password))
            await self._store.run(partial(users.replace_hash, account=user.id, old=old, new=new))

    def _exempt(self, peer: str) -> bool:
        if not self._trusted:
            return False
        try:
            host = ip_address(peer)
        except ValueError:
            return False
        return any(host in network for network in self._trusted)


def _kept_secret(tx: Transaction, fresh: str) -> str:
    tx.run(_KEEP_SECRET, fresh=fresh)
    return str(tx.value(_SECRET))


def _not_renewed(failure: Failure) -> None:
    """The next login tries again."""
    _log.warn("what is kept of a password is not renewed: {error}", error=failure.value)
