"""Checks mail that has come, after its 250. Nobody waits for a check, and one that takes too long is left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.children.pool import Died, Jobs
from mpcontinuity.model.address import BadAddress, ascii_domain, parse
from mpcontinuity.model.body import Content
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.identifier import show
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.bodies import references
from mpcontinuity.store.store import Store
from mpcontinuity.verdicts import dmarc, examination, record, signatures, spf
from mpcontinuity.verdicts.dns import Dns, Ip, Remembering
from mpcontinuity.verdicts.examination import SignatureResult
from mpcontinuity.verdicts.record import SenderVerdict, token

DEADLINE = 10.0  # seconds from its arrival: afterwards DNS may say something else, and others wait
AT_ONCE = 10
# In a flood mail goes first: what does not get its turn within the deadline is not checked. A check costs one or
# two milliseconds, so these take a tenth of a core at most.
PER_SECOND = 50
MOST_WAITING = 1000
_LARGEST = 25 << 20  # octets; hashing more would take longer than a few turns

_log = Logger()


class Arrived(msgspec.Struct, frozen=True):
    """A message that has come and is kept."""

    message: int  # the id of its row in `body`
    peer: str  # the client's IP address
    helo: str
    reverse_path: str  # empty: the null one


class Verdicts:
    """The service that checks mail. It lives in the reactor thread.

    ``trusted`` has networks whose hosts pass on mail that they took, such as a filter before us, so that their address
    says nothing about the sender. ``skipped`` counts the messages that were not checked in time.
    """

    def __init__(
        self,
        store: Store,
        dns: Dns,
        jobs: Jobs,
        timer: Timer,
        hostname: str,
        trusted: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.skipped = 0  # messages that were not checked in time
        self._trusted = trusted
        self._store = store
        self._dns = Remembering(dns, timer)
        self._jobs = jobs
        self._timer = timer
        self._hostname = hostname
        self._waiting: deque[tuple[float, Arrived]] = deque()
        self._active: set[Deferred[None]] = set()
        self._paused = False
        self._stopping = False

    def arrived(self, arrived: Arrived) -> None:
        """Checks a message as soon as there is room. The result becomes a row of `verdict`, or there is none."""
        if self._stopping or self._is_trusted(arrived.peer):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.skipped += 1
        self._waiting.append((self._timer.seconds() + DEADLINE, arrived))
        self._next()

    def _is_trusted(self, peer: str) -> bool:
        try:
            ip = ip_address(peer)
        except ValueError:
            return False
        return any(ip in network for network in self._trusted)

    def stop(self) -> None:
        """Stops. What is not checked by now never is."""
        self._stopping = True
        self._waiting.clear()
        for each in list(self._active):
            each.cancel()

    def _next(self) -> None:
        while self._waiting and len(self._active) < AT_ONCE and not self._paused:
            until, arrived = self._waiting.popleft()
            left = until - self._timer.seconds()
            if left <= 0:
                self.skipped += 1
                continue
            self._paused = True
            self._timer.callLater(1 / PER_SECOND, self._go_on)
            self._begin(arrived, left)

    def _go_on(self) -> None:
        self._paused = False
        self._next()

    def _begin(self, arrived: Arrived, left: float) -> None:
        checked = Deferred.fromCoroutine(self._check(arrived))
        self._active.add(checked)
        limit = self._timer.callLater(left, checked.cancel)

        def ended(_: object) -> None:
            if limit.active():
                limit.cancel()
            self._active.discard(checked)
            self._next()

        checked.addErrback(self._failed, arrived).addBoth(ended)

    def _failed(self, failure: Failure, arrived: Arrived) -> None:
        if isinstance(failure.value, CancelledError | Died):
            self.skipped += 1
        elif not isinstance(failure.value, Stopping | Temporary | Corrupt):
            _log.failure("not checked", failure, message=show(arrived.message))

    async def _check(self, arrived: Arrived) -> None:
        body = await self._store.read(partial(references.find, body_id=arrived.message))
        if body is None or body.length > _LARGEST:
            return
        content = self._store.bodies.content(body)
        await content.load()
        now = self._store.clock.now() // SECOND
        verdict = await verdict_of(self._dns, self._jobs, arrived, content, now, self._hostname)
        await self._store.run(partial(record.add, body=body.id, verdict=verdict), bulk=True)
        _log.info("verdict: {details}", details=" ".join(verdict.details.split()), message=show(arrived.message))


async def verdict_of(
    dns: Dns, jobs: Jobs, arrived: Arrived, content: Content, now: int, hostname: str
) -> SenderVerdict:
    """Returns the verdict on a message. Raises Corrupt and Died.

    ``now`` is in seconds since 1970. ``hostname`` is the name under which the verdict is given.
    """
    identity, host = _identity(arrived)
    try:
        ip: Ip | None = ip_address(arrived.peer)
    except ValueError:
        ip = None
    sender = spf.NONE
    if ip is not None and host:
        sender = await spf.SpfCheck(dns, ip, identity, arrived.helo).result(host)
    examined = await signatures.check(dns, jobs, content, now)
    author, signed = examined.author, examined.signatures
    good = [each.domain for each in signed if each.result == examination.PASS]
    policy = await dmarc.check(dns, author, host if sender == spf.PASS else "", good)
    by = "mailfrom" if arrived.reverse_path else "helo"
    shown = [f"spf={sender} smtp.{by}={token(host or arrived.helo)}"]
    by_author = _is_of(examined.address, arrived.reverse_path)
    shown += [_shown(each, by_author=by_author) for each in signed] or ["dkim=none"]
    wanted = f" (p={token(policy.wanted)})" if policy.wanted else ""
    shown.append(f"dmarc={policy.result}{wanted} header.from={token(author or 'unknown')}")
    return SenderVerdict(sender, _best(signed), policy.result, ";\r\n\t".join([hostname, *shown]))


def _identity(arrived: Arrived) -> tuple[str, str]:
    """The sender and its domain as SPF takes them; of the null sender, what the client calls itself (RFC 7208 §2.4)."""
    if arrived.reverse_path:
        local, _, host = arrived.reverse_path.rpartition("@")
    else:
        local, host = "postmaster", arrived.helo.strip("[]")
    try:
        host = host.lower() if host.isascii() else ascii_domain(host).lower()
    except UnicodeError:
        host = ""
    return f"{local or 'postmaster'}@{host}", host


def _best(signed: Sequence[SignatureResult]) -> str:
    results = [each.result for each in signed]
    order = (examination.PASS, examination.TEMPERROR, examination.FAIL, examination.PERMERROR)
    return next((result for result in order if result in results), examination.NONE)


def _is_of(author: str, reverse_path: str) -> bool:
    """Whether they are the same address, but for a tag."""
    try:
        return bool(author and reverse_path) and parse(author).untagged_key == parse(reverse_path).untagged_key
    except BadAddress:
        return False


def _shown(found: SignatureResult, *, by_author: bool) -> str:
    why = f" ({found.why})" if found.why else ""
    of = f" header.d={token(found.domain)} header.s={token(found.selector)}" if found.domain else ""
    policy = record.BY_AUTHOR if by_author and found.result == examination.PASS else ""
    return f"dkim={found.result}{why}{of}{policy}"
