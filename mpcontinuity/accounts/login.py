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
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.throttle import Throttle
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.events import AccountsChanged, DomainsChanged, Everything, Notice
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Network
from mpcontinuity.store.store import Store

# Runs the slow verification elsewhere. Raises Temporary when too many wait already.
Compute = Callable[[Callable[[], Any]], Awaitable[Any]]
Sleep = Callable[[float], Awaitable[None]]

_REMEMBERED_FOR = 5 * MINUTE
_REMEMBERED = 10_000

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
        wait = self._throttle.begin(who, peer, digest, exempt=self._exempt(peer))
        if wait is None:
            self.outcomes["throttled"] += 1
            return None
        try:
            if wait:
                await self._sleep(wait)
            right = await self._right_password(user, password, digest)
        except BaseException:
            self._throttle.abandoned(who, peer, digest)
            raise
        if not right:
            self._throttle.failed(who, peer, digest)
            self.outcomes["failed"] += 1
            return None
        self._throttle.succeeded(who, peer)
        self.outcomes["succeeded"] += 1
        return user

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
        hashed = ""
        if user is not None:
            hashed = await self._store.read(partial(users.password_hash, account=user.id))
        right = await self._compute(partial(self._passwords.verify, password, hashed))
        if user is None or user.status != "active" or not right:
            return False
        if self._passwords.outdated(hashed):
            Deferred.fromCoroutine(self._renew(user, password, hashed)).addErrback(_not_renewed)
        if generation == self._generation:  # else the password may have been changed meanwhile: not remembered
            self._right[digest] = self._clock.now() + _REMEMBERED_FOR
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True

    async def _renew(self, user: User, password: str, old: str) -> None:
        """Here alone the password is known: its hash is made anew as the configuration wants it now."""
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


def _not_renewed(failure: Failure) -> None:
    """The next login tries again."""
    _log.warn("the hash of a password is not renewed: {error}", error=failure.value)
