"""The home server of a domain: its state, its sessions, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings, Home
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.opening import Means, NotOpened, Opener, Security, lost_outcome, targets
from mpcontinuity.outbound.pool import Pool
from mpcontinuity.outbound.session import Lost, Session
from mpcontinuity.outbound.transaction import MailTransaction, reset
from mpcontinuity.protocols.smtp.client import Offers, outcome
from mpcontinuity.routing import health
from mpcontinuity.routing.health import Gate, Health, Observation, Policy, State

__all__ = ["HomeServer", "HomeServers", "MailTransaction", "Means"]

LATE = 600.0  # seconds that a late reply to a message is waited for (RFC 5321 §4.5.3.2.6)
_OBSERVED = 20  # kept while the store cannot be told

_log = Logger()


class Domain(Protocol):
    """accounts.domains.Domain."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> DomainSettings: ...


@dataclass(frozen=True, slots=True)
class Observed:
    """What changed the health, and when (µs)."""

    observation: Observation
    time: int
    reason: str


class HomeServer:
    """One per domain, in the reactor thread. ``listeners`` hear of every change of ``health``."""

    def __init__(self, domain: Domain, means: Means, clock: Clock) -> None:
        self.domain = domain.id
        self.name = domain.name
        self.health = Health(since=clock.now())
        self.offers = Offers()  # of the last EHLO; homes/ keeps it across restarts
        self.listeners: list[Callable[[HomeServer], None]] = []
        self.observed: list[Observed] = []  # what other processes do not know yet; emptied by homes/
        self.title = "The home server"
        self.patience = means.settings.reply_timeout
        self.late = LATE
        self.timer: Timer = means.timer
        self.settings: Home = means.settings
        self._means = means
        self._clock = clock
        self._policy = Policy(means.settings.recovery_probes)
        self._security = _security(domain.settings)
        self._trying: MailTransaction | None = None  # the one that tries a suspect
        self._hosts = domain.settings.home
        self.pool = Pool(self._opener(), means.settings.connections, means.timer, self.observe)

    @property
    def hosts(self) -> list[str]:
        """``host:port``, in order of preference."""
        return list(self._hosts)

    def update(self, domain: Domain) -> None:
        """Other hosts, or another TLS policy: sessions begin anew."""
        self.name = domain.name
        security = _security(domain.settings)
        if (self._hosts, self._security) != (domain.settings.home, security):
            self._hosts, self._security = domain.settings.home, security
            self.pool.renew(self._opener())

    def gate(self) -> Gate:
        """What a new message finds. TRY to one at a time: who gets it may begin a transaction now."""
        way = health.gate(self.health, self._clock.now())
        return Gate.SHUT if way is Gate.TRY and self._trying is not None else way

    def transaction(self, reverse_path: Address | None, parameters: MailParameters) -> MailTransaction:
        """Nothing is said to home before the first recipient."""
        transaction = MailTransaction(self, reverse_path, parameters)
        if self.gate() is Gate.TRY:
            self._trying = transaction
        return transaction

    async def probe(self, recipient: Address | None) -> Outcome:
        """A fresh session, MAIL FROM:<> and RCPT of a known user, and away. Observes nothing itself."""
        opened = await self.pool.opener.open(probe=True)
        if isinstance(opened, NotOpened):
            if opened.refused and self.pool.size:
                reason = f"serves {self.pool.size} other sessions of ours: {opened.outcome.text}"
                return Outcome(Verdict.ACCEPTED, opened.outcome.stage, opened.outcome.reply, reason)
            return opened.outcome
        self.offers = opened.offers
        self.pool.prefer(opened.host)
        try:
            return await self._ask(opened, recipient)
        finally:
            opened.quit()

    async def _ask(self, session: Session, recipient: Address | None) -> Outcome:
        wait = self.settings.reply_timeout
        stage, answer = Stage.MAIL, await session.reply(session.mail(None, MailParameters()), wait)
        if recipient is not None and isinstance(answer, Reply) and answer.positive:
            stage, answer = Stage.RCPT, await session.reply(session.rcpt(recipient, RcptParameters()), wait)
        return lost_outcome(stage, answer) if isinstance(answer, Lost) else outcome(stage, answer)

    def observe(self, observation: Observation, reason: str = "") -> None:
        """Feeds the state machine and tells the listeners."""
        now = self._clock.now()
        after = health.observe(self.health, observation, now, self._policy, reason)
        if after != self.health:
            self.observed = [*self.observed[1 - _OBSERVED :], Observed(observation, now, reason)]
            self._become(after)

    def adopt(self, known: Health) -> None:
        """Another process changed ``health`` to this; what was observed here meanwhile is observed of it."""
        if self.health.state is State.DOWN and (known.state, known.since) == (State.DOWN, self.health.since):
            known = replace(known, good_probes=self.health.good_probes)
        for each in self.observed:
            known = health.observe(known, each.observation, each.time, self._policy, each.reason)
        if known != self.health:
            self._become(known)

    def _become(self, after: Health) -> None:
        before, self.health = self.health, after
        if self.health.state is State.DOWN and before.state is not State.DOWN:
            because = f"the home server is down: {after.reason}"
            self.pool.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, because))
        if self.health.state is not before.state:
            _log.info(
                "home server of {domain} is {state}{because}",
                domain=self.name,
                state=self.health.state.value,
                because=f": {self.health.reason}" if self.health.reason else "",
            )
        for listener in list(self.listeners):
            listener(self)

    def close(self) -> None:
        """Idle sessions say QUIT; those in use end with their transactions."""
        self.pool.close_idle()

    # For transactions

    def throttled(self, reason: str) -> None:
        self.pool.throttle()
        self.observe(Observation.THROTTLED, reason)

    def sender_failed(self, session: Session, reverse_path: Address | None, result: Outcome) -> None:
        """A refused sender is the sender's trouble; home is in trouble when it does not take the null sender either
        (contract, 'State of a home server')."""
        if reverse_path is not None:
            self.background(self._try_null_sender(session, result))
            return
        session.abort()
        self.pool.drop(session)
        self.observe(Observation.UNREACHABLE, result.text)

    async def _try_null_sender(self, session: Session, failed: Outcome) -> None:
        session.rset()
        answer = await session.reply(session.mail(None, MailParameters()), self.settings.reply_timeout)
        if isinstance(answer, Reply) and answer.positive:
            await reset(self, session)
            return
        session.abort()
        self.pool.drop(session)
        self.observe(Observation.UNREACHABLE, f"{failed.text}; also to the null sender")

    def ended(self, transaction: MailTransaction) -> None:
        if self._trying is transaction:
            self._trying = None

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: object) -> None:
        _log.error("home server of {domain}: {failure}", domain=self.name, failure=failure)

    def _opener(self) -> Opener:
        return Opener(self._means, self._security, targets(self._hosts))


def _security(settings: DomainSettings) -> Security:
    return Security(settings.home_tls, name=settings.home_tls_name, authorities=settings.home_tls_ca)


class HomeServers:
    """All of them, by domain."""

    def __init__(self, means: Means, clock: Clock) -> None:
        self._means = means
        self._clock = clock
        self._homes: dict[int, HomeServer] = {}

    def of(self, domain: Domain) -> HomeServer:
        """The one object for this domain, with its settings as they are given here."""
        home = self._homes.get(domain.id)
        if home is None:
            home = self._homes[domain.id] = HomeServer(domain, self._means, self._clock)
        else:
            home.update(domain)
        return home

    def all(self) -> list[HomeServer]:
        return list(self._homes.values())

    def all_report(self) -> bool:
        """Whether each of them, and there is one, offered DSN at its last EHLO."""
        return bool(self._homes) and all(home.offers.dsn for home in self._homes.values())

    def keep_only(self, domains: Collection[int]) -> None:
        """Forgets the home servers of domains that were removed."""
        for gone in self._homes.keys() - set(domains):
            self._homes.pop(gone).close()

    def close(self) -> None:
        for home in self._homes.values():
            home.close()
