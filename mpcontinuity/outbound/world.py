"""The world beyond the home servers: the MX hosts of a domain, or a smarthost, one outcome per recipient."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Home, Outbound, Retry
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.capacity import Capacity
from mpcontinuity.outbound.network import Connector, Securing
from mpcontinuity.outbound.opening import ClientEnvironment, Opener, Security, Target
from mpcontinuity.outbound.pool import Pool
from mpcontinuity.outbound.resolution import Resolution, Unresolved
from mpcontinuity.outbound.route import Route
from mpcontinuity.outbound.session import Session
from mpcontinuity.outbound.transaction import PeerTransaction, Recipient, reset
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Observation

MOST_HOSTS = 5  # that are tried for one attempt
_SAID = 4  # failures in a row that are logged
LONGEST_REST = 60.0  # seconds for which a host that fails is not tried again
_REMEMBERED = 2000  # hosts

_STOPPING = Outcome(Verdict.FAILED, Stage.CONNECT, None, "this server stops")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to recipients who share a destination."""

    reverse_path: Address | None
    parameters: MailParameters
    recipients: Sequence[Recipient]
    head: bytes  # stands before the content
    content: Content
    utf8_header: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one recipient.

    ``host``: who said it, empty where it was decided here. ``dsn``: the next host was told what the sender wants to
    hear of (RFC 3461). ``ours``: it is in a mailbox of ours.
    """

    outcome: Outcome
    host: str = ""
    dsn: bool = False
    ours: bool = False


class Progress:
    """How far a message is that is being delivered, for whoever waits for that; all times are by one timer.

    Once the message itself goes it may arrive, and is not given up any more.
    """

    def __init__(self, now: float, *, may_be_given_up: bool = True) -> None:
        self.may_be_given_up = may_be_given_up
        self.given_up = False
        self._moved = now
        self._host: Host | None = None
        self._transaction: PeerTransaction | None = None

    @property
    def moved(self) -> float:
        """When the next host last gave a sign, to this message or, while that may wait for its turn, to another."""
        return max(self._moved, self._host.served if self._host is not None else 0.0)

    def begins(self, host: Host, transaction: PeerTransaction) -> None:
        """Notes that a transaction with this host begins."""
        self._moved = host.timer.seconds()
        self._host, self._transaction = host, transaction
        host.wanted.add(self)

    def ends(self) -> None:
        """Notes that the transaction has ended."""
        if self._host is not None:
            self._host.wanted.discard(self)

    def sends(self) -> None:
        """Notes that the recipients were taken, and the message goes."""
        assert self._host is not None
        self._moved = self._host.timer.seconds()
        self.may_be_given_up = False

    def give_up(self) -> None:
        """Ends the delivery, unless the message itself goes already."""
        self.given_up = True
        if self._transaction is not None and self._host is not None:
            self._transaction.abandon()
            self._host.wanted.discard(self)
            if not self._host.wanted:
                self._host.pool.opener.give_up()


class World:
    """The hosts of the world, and what is known of them. It lives in the reactor thread. ``hostname`` is ours."""

    def __init__(
        self,
        settings: Outbound,
        retry: Retry,
        resolution: Resolution,
        *,
        hostname: str,
        timer: Timer,
        connect: Connector,
        secure: Securing,
    ) -> None:
        self._settings = settings
        self._retry = retry
        self._resolution = resolution
        patience = Home(
            connect_timeout=settings.connect_timeout,
            reply_timeout=settings.reply_timeout,
            message_timeout=settings.message_timeout,
            connections=settings.connections,
        )
        self._environment = ClientEnvironment(hostname, patience, timer, connect, secure)
        self._hosts: dict[tuple[str, int, Security], Host] = {}
        self._stopping = False

    @property
    def connections(self) -> int:
        """How many sessions one host gets at most."""
        return self._environment.settings.connections

    async def deliver(self, letter: Letter, route: Route, destination: str, progress: Progress) -> list[Attempt | None]:
        """Delivers a message, and returns the attempts in the order of its recipients. Raises Corrupt.

        None stands for a recipient that was not tried, since we stop.
        """
        hosts = await self._hosts_of(route, destination)
        if isinstance(hosts, Unresolved):
            return [Attempt(_unresolved(hosts)) for _ in letter.recipients]
        attempts: list[Attempt | None] = [None] * len(letter.recipients)
        left = list(range(len(attempts)))
        tried = 0
        for host in sorted(hosts, key=lambda host: bool(host.resting)):  # stable: by preference
            if tried == MOST_HOSTS:
                break
            tried += not host.resting
            for index, attempt in zip(left, await self._at(host, letter, left, progress), strict=True):
                attempts[index] = _worse(attempts[index], attempt)
            left = [index for index in left if _may_be_taken_elsewhere(attempts[index])]
            if not left or self._stopping or progress.given_up:
                break
        if left and all(host.resting for host in hosts):
            self._resolution.forget(destination)
        return [_final(attempt, route) for attempt in attempts]

    def stop(self) -> None:
        """Ends all waiting for a session; those who have one may end what they do."""
        self._stopping = True
        for host in self._hosts.values():
            host.pool.refuse(_STOPPING)

    async def _at(self, host: Host, letter: Letter, indexes: Sequence[int], progress: Progress) -> list[Attempt]:
        """In as many transactions as it takes to bring them all: who says 'too many' is asked for these again at once
        (RFC 5321 §4.5.3.1.10)."""
        found: dict[int, Attempt] = {}
        left = list(indexes)
        while left and not host.resting and not progress.given_up:
            most = host.offers.recipients or len(left)  # RFC 9422
            begun, rest = left[:most], left[most:]
            found.update(zip(begun, await self._transaction(host, letter, begun, progress), strict=True))
            brought = [index for index in begun if found[index].outcome.verdict is Verdict.ACCEPTED]
            too_many = [index for index in begun if _too_many(found[index].outcome)] if brought else []
            left = too_many + rest
        resting = Attempt(Outcome(Verdict.FAILED, Stage.CONNECT, None, host.resting), host.name)
        return [found.get(index, resting) for index in indexes]

    async def _transaction(
        self, host: Host, letter: Letter, indexes: Sequence[int], progress: Progress
    ) -> list[Attempt]:
        transaction = PeerTransaction(host, letter.reverse_path, letter.parameters)
        transaction.utf8_header = letter.utf8_header
        progress.begins(host, transaction)
        try:
            outcomes = await transaction.recipients([letter.recipients[index] for index in indexes])
            if any(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes):
                progress.sends()
                last = await transaction.message(letter.head, letter.content)
                outcomes = [last if each.verdict is Verdict.ACCEPTED else each for each in outcomes]
        finally:
            transaction.abandon()
            progress.ends()
        where = transaction.host or host.name
        return [Attempt(outcome, where, host.offers.dsn) for outcome in outcomes]

    async def _hosts_of(self, route: Route, destination: str) -> list[Host] | Unresolved:
        if route.host:
            return [self._host(route.host, route.port, route.security, ("",))]
        found = await self._resolution.exchanges(destination)
        if isinstance(found, Unresolved):
            return found
        port, security = self._settings.port, route.security
        return [self._host(exchange.name, port, security, exchange.addresses) for exchange in found.hosts]

    def _host(self, name: str, port: int, security: Security, addresses: Sequence[str]) -> Host:
        key = (name, port, security)
        targets = tuple(Target(name, port, address) for address in addresses)
        host = self._hosts.get(key)
        if host is None:
            self._forget_some()
            host = self._hosts[key] = Host(self._environment, security, targets, self._retry)
        else:
            host.at(targets)
        return host

    def _forget_some(self) -> None:
        if len(self._hosts) >= _REMEMBERED:
            self._hosts = {key: host for key, host in self._hosts.items() if host.pool.size or host.resting}

    def forget_failures(self) -> None:
        """Lets every host be tried at once, and asks DNS of them again."""
        self._resolution.forget_all()
        for host in self._hosts.values():
            host.observe(Observation.SERVED)

    def close(self) -> None:
        """Closes idle sessions by QUIT."""
        for host in self._hosts.values():
            host.pool.close_idle()


class Host:
    """A host of the world, by all its addresses: its sessions, and whether it serves."""

    title = "The next host"
    patience = 3600.0  # all that goes by a smarthost waits for its few sessions
    holds = inf  # nobody waits
    late = 0.0
    asks_again = False  # what a host puts off is tried by the queue, at its time

    def __init__(
        self, environment: ClientEnvironment, security: Security, targets: tuple[Target, ...], retry: Retry
    ) -> None:
        self.settings: Home = environment.settings
        self.timer: Timer = environment.timer
        self.offers = Offers()
        self.name = f"{targets[0].name}:{targets[0].port}"
        self._environment = environment
        self._security = security
        self._targets = targets
        self._retry = retry
        self._failures = 0  # in a row
        self._rests_until = 0.0
        self._reason = ""
        self.served = 0.0  # when it last took or refused a message
        self.wanted: set[Progress] = set()  # by those whose transaction has begun and may still begin to send
        self.pool = Pool(self._opener(), Capacity(environment.settings.connections), environment.timer, self.observe)

    @property
    def resting(self) -> str:
        """Why it is not tried at this moment; empty: it may be."""
        return self._reason if self._rests_until > self.timer.seconds() else ""

    def at(self, targets: tuple[Target, ...]) -> None:
        """Adopts the addresses that DNS has for it now."""
        if set(targets) != set(self._targets):
            self._targets = targets
            self.pool.renew(self._opener())

    def observe(self, observation: Observation, reason: str = "") -> None:
        """Leaves a host alone for a while that cannot be reached, or fails in the middle twice in a row.

        What waits for it is put off at once, rather than after half a minute each.
        """
        if observation is Observation.SERVED:
            self._failures, self._rests_until = 0, 0.0
            self.served = self.timer.seconds()
        elif observation in (Observation.UNREACHABLE, Observation.SILENT):
            self._failures += 1
            if observation is Observation.UNREACHABLE or self._failures > 1:
                # Below any delay of `[retry]`, so that nothing that is due again meets a rest that it began itself.
                rest = min(self._retry.first / 2 * 2 ** min(self._failures - 1, 20), LONGEST_REST)
                self._rests_until = self.timer.seconds() + rest
                self._reason = reason
                if self._failures < _SAID:
                    _log.info("{host} is left alone for {rest:g} s: {reason}", host=self.name, rest=rest, reason=reason)

    def throttled(self, reason: str) -> None:
        self.pool.throttle()

    def balked(self, result: Outcome) -> bool:
        """Returns False: what waits for it is put off as it comes."""
        return False

    def put_off(self, message: tuple[str, ...], reason: str, *, redelivered: bool) -> None:
        """Nothing is kept of it: the queue tries it again."""

    def answered(self, mailboxes: frozenset[str]) -> None:
        self.observe(Observation.SERVED)

    def slow(
        self, mailboxes: frozenset[str], began: float, asked: float, reason: str, *, answers: bool = False
    ) -> None:
        self.observe(Observation.SILENT, reason)

    def recipient_taken(self, address: Address) -> None:
        """Nothing is kept of it."""

    def recipient_failed(self, address: Address, result: Outcome) -> None:
        if result.reply is not None and self.pool.size:
            self.throttled(result.text)
        else:
            self.observe(Observation.SILENT, result.text)

    def sender_failed(self, session: Session, reverse_path: Address | None, result: Outcome) -> None:
        self.background(reset(self, session))

    def ended(self, transaction: object) -> None:
        """Nothing is kept of it."""

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        _log.failure("a session with {host}", failure, host=self.name)

    def _opener(self) -> Opener:
        return Opener(self._environment, self._security, self._targets)


def _unresolved(unresolved: Unresolved) -> Outcome:
    """RFC 7505 §4 has 556 for a null MX; the other codes are those that a relay would give."""
    if not unresolved.permanent:
        return Outcome(Verdict.TEMPORARY, Stage.CONNECT, Reply(451, unresolved.enhanced, unresolved.reason))
    code = 556 if unresolved.enhanced == "5.1.10" else 550
    return Outcome(Verdict.REFUSED, Stage.CONNECT, Reply(code, unresolved.enhanced, unresolved.reason))


def _too_many(outcome: Outcome) -> bool:
    """RFC 5321 §4.5.3.1.10: 452; 552 of older servers means the same."""
    reply = outcome.reply
    if reply is None or outcome.stage is not Stage.RCPT:
        return False
    return reply.code in (452, 552) and (not reply.enhanced or reply.enhanced[1:] == ".5.3")


def _may_be_taken_elsewhere(attempt: Attempt | None) -> bool:
    """By the next MX. Not where the message may have arrived."""
    return attempt is None or attempt.outcome.verdict in (Verdict.TEMPORARY, Verdict.FAILED)


def _worse(before: Attempt | None, now: Attempt) -> Attempt:
    """What is told of several hosts: what may pass, if any of them may; else what the last one said."""
    if before is None or not _may_be_taken_elsewhere(now):
        return now
    if _permanent(before) != _permanent(now):
        return now if _permanent(before) else before
    if before.outcome.reply is not None and now.outcome.reply is None:
        return before
    if before.outcome.reply is None and now.outcome.reply is None:
        both = f"{before.outcome.reason}; {now.outcome.reason}"
        return Attempt(Outcome(now.outcome.verdict, now.outcome.stage, None, both), now.host)
    return now


def _permanent(attempt: Attempt) -> bool:
    return attempt.outcome.reply is not None and attempt.outcome.reply.permanent


def _final(attempt: Attempt | None, route: Route) -> Attempt | None:
    """A host of the world that says 5xx to us at any stage means it for good (contract 'Outbound'). What a smarthost
    says of us before it knows the message is the matter of our administrators: the messages wait."""
    if attempt is None:
        return Attempt(Outcome(Verdict.FAILED, Stage.CONNECT, None, "no host could be tried"))
    if attempt.outcome is _STOPPING:
        return None
    if route.host or not _permanent(attempt) or attempt.outcome.verdict is not Verdict.TEMPORARY:
        return attempt
    outcome = attempt.outcome
    return Attempt(Outcome(Verdict.REFUSED, outcome.stage, outcome.reply, outcome.reason), attempt.host)
