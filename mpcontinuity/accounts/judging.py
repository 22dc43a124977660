"""Judges whether somebody knows a secret: the one place where passwords of users and of administrators are looked at.

Whoever asks says whose secret it is and how it is looked at: accounts/user_login.py for users,
accounts/administrator_login.py for administrators. Here is what is the same for all: guessing is throttled, slow
arithmetic is done elsewhere and in turns, a right password is remembered for some minutes, and a hash of an old scheme
is noticed.
"""

from __future__ import annotations

import hmac
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.throttle import Throttle
from mpcontinuity.model.clock import MINUTE, Clock
from mpcontinuity.model.hosts import contains, host_of
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Network

T = TypeVar("T")

# Runs slow work elsewhere, for a client host: hosts take turns. Raises Temporary when too many wait.
Compute = Callable[[Callable[[], Any], str], Awaitable[Any]]
Sleep = Callable[[float], Awaitable[None]]

# Mail clients log in every few minutes, on several connections each: most of them need no slow hash.
_REMEMBERED_FOR = 5 * MINUTE
_REMEMBERED = 10_000  # passwords; what is remembered of one takes some 200 octets
_KEY_OCTETS = 32

_log = Logger()


class Judge:
    """Judges secrets for one process, in the reactor thread.

    ``failures`` and ``failures_per_host`` are the limits of accounts/throttle.py; hosts of ``trusted`` networks are
    slowed down by it, but never refused. ``compute`` runs what is slow, ``sleep`` waits so many seconds.
    """

    def __init__(
        self,
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
        self.throttle = Throttle(failures, failures_per_host, clock)
        self.randomness = randomness
        self._passwords = passwords
        self._trusted = tuple(trusted)
        self._compute = compute
        self._sleep = sleep
        self._clock = clock
        self._key = randomness.bytes(_KEY_OCTETS)
        self._right: OrderedDict[bytes, int] = OrderedDict()  # digest of a password and which one it is: until

    async def judge(
        self,
        who: bytes,
        secret: str | bytes,
        peer: str,
        look: Callable[[], Awaitable[T | None]],
        outcomes: Counter[str],
    ) -> T | None:
        """Returns what ``look`` finds, not sooner than the throttle allows; None where it finds the secret wrong.

        ``who`` is the name that failures are counted for (``throttle.digest_of``), ``secret`` what was sent, ``peer``
        the client's IP address. Who has guessed too often from there gets None without a look. ``outcomes`` counts
        what became of it: ``succeeded``, ``failed`` or ``throttled``. Raises what ``look`` raises, which is no failed
        attempt, and Temporary where the whole host has to come again later.
        """
        host, digest = host_of(peer), self._digest(who, secret)
        wait = self.throttle.begin(who, host, digest, exempt=contains(self._trusted, peer))
        if wait is None:
            outcomes["throttled"] += 1
            return None
        try:
            if wait:
                await self._sleep(wait)
            found = await look()
        except BaseException:
            self.throttle.abandoned(who, host, digest)
            raise
        if found is None:
            self.throttle.failed(who, host, digest)
            outcomes["failed"] += 1
            return None
        self.throttle.succeeded(who, host)
        outcomes["succeeded"] += 1
        return found

    def remembers(self, which: str, password: str) -> bool:
        """Says whether ``password`` was found right of late. ``which`` is as in `is_right`."""
        return self._right.get(self._digest(which.encode(), password), 0) > self._clock.now()

    async def is_right(self, which: str, password: str, hashed: str, peer: str) -> bool:
        """Says whether ``hashed``, a hash of passlib's, was made of ``password``; an empty hash takes as long.

        ``which`` names that very password, such as its owner's id and how often they have changed it: so a later one
        needs no forgetting of this one. Raises Temporary when too many wait to be checked.
        """
        if not await self.compute(partial(self._passwords.verify, password, hashed), peer):
            return False
        self._right[self._digest(which.encode(), password)] = self._clock.now() + _REMEMBERED_FOR
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    async def renewed(self, password: str, hashed: str, peer: str) -> str | None:
        """Returns a new hash of ``password`` where ``hashed`` is not as the configuration wants it now, else None."""
        if not self._passwords.outdated(hashed):
            return None
        return str(await self.compute(partial(self._passwords.hash, password), peer))

    async def compute(self, work: Callable[[], Any], peer: str) -> Any:
        """Returns what ``work`` returns, run beside the reactor. Raises Temporary when too much waits."""
        return await self._compute(work, host_of(peer))

    def _digest(self, whose: bytes, secret: str | bytes) -> bytes:
        """Keyed, so that nothing in memory tells of a password."""
        octets = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
        return hmac.digest(self._key, len(whose).to_bytes(4) + whose + octets, "sha256")


def renew_later(renewal: Coroutine[Any, Any, None]) -> None:
    """Renews what is kept of a password while its owner goes on. Where that fails, their next login tries again."""
    Deferred.fromCoroutine(renewal).addErrback(_not_renewed)


def _not_renewed(failure: Failure) -> None:
    _log.warn("what is kept of a password is not renewed: {error}", error=failure.value)
