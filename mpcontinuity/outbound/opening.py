"""How a session begins: which host, connection, greeting, EHLO, TLS as it is demanded, AUTH."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.protocol import Factory

from mpcontinuity.model import hosts
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Home
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.network import Connector, Securing
from mpcontinuity.outbound.session import Lost, Session, why
from mpcontinuity.protocols.smtp.client import outcome

SMTP_PORT = 25
PLAIN_AGAIN = 3600.0  # seconds for which a host whose TLS failed is used without


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """What every session of the SMTP client needs."""

    hostname: str  # ours, for EHLO
    settings: Home
    timer: Timer
    connect: Connector
    secure: Securing
    listening: Callable[[], Sequence[tuple[str, int]]] = tuple  # interfaces (empty: all) and ports of our own doors


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port. ``address`` is where to connect; empty: the name is looked up each time."""

    name: str
    port: int
    address: str = ""

    @property
    def shown(self) -> str:
        """The target as the log and replies have it."""
        name = f"[{self.name}]" if ":" in self.name and not self.name.startswith("[") else self.name
        place = f" [{self.address}]" if self.address and self.address not in name else ""
        return f"{name}:{self.port}{place}"


def targets(names: tuple[str, ...]) -> tuple[Target, ...]:
    """Returns the targets of ``host[:port]`` each."""
    return tuple(Target(*hosts.split(name, SMTP_PORT)) for name in names)


@dataclass(frozen=True, slots=True)
class Security:
    """How a session is secured. ``tls`` is as the setting ``home-tls``; ``setting`` is what the administrator knows
    it by."""

    tls: str = "opportunistic"
    setting: str = "home-tls"
    name: str = ""  # that the certificate must have; empty: the host's
    authorities: str = ""  # a file of those that are believed; empty: the system's
    certificate: str = ""  # a file, or "none"; empty: what the environment shows
    login: tuple[str, str] | None = None  # name and password, for AUTH
    implicit: bool = False  # TLS from the first octet on


@dataclass(slots=True)
class _Host:
    """What is remembered of a target."""

    target: Target
    failed: bool = False
    plain_until: float = 0.0
    address: str = ""  # the last that answered

    @property
    def shown(self) -> str:
        return self.target.shown


@dataclass(frozen=True, slots=True)
class NotOpened:
    """Why there is no session. ``refused``: somebody is there, but has no room for one more. ``handshake``: TLS
    failed half-way."""

    outcome: Outcome
    refused: bool = False
    handshake: bool = False


@dataclass
class Opener:
    """Opens sessions to several targets, in order of preference."""

    environment: ClientEnvironment
    security: Security
    targets: tuple[Target, ...]
    _hosts: list[_Host] = field(init=False)
    _begun: set[Session] = field(init=False, default_factory=set)  # and not ready for MAIL
    _connecting: set[Deferred[Any]] = field(init=False, default_factory=set)
    _given_up: int = field(init=False, default=0)  # times

    def __post_init__(self) -> None:
        self._hosts = [_Host(target) for target in self.targets]

    @property
    def addresses(self) -> list[str]:
        """The IP addresses of the targets: as they are named, or where each was reached last."""
        known = (host.address or host.target.address or host.target.name for host in self._hosts)
        return [address for address in known if _is_address(address)]

    async def open(self, *, probe: bool = False) -> Session | NotOpened:
        """Returns a session that is ready for MAIL, or the last host's failure with the reasons of all.

        A host that failed is asked after the others, so that no message waits for it, until a ``probe`` finds it well.
        """
        result = NotOpened(Outcome(Verdict.FAILED, Stage.CONNECT, None, "the domain has no home server"))
        given_up = self._given_up
        reasons = []
        for host in sorted(self._hosts, key=lambda host: host.failed and not probe):  # stable: by preference
            opened = await self._open_host(host)
            if isinstance(opened, Session):
                host.failed = False
                return opened
            host.failed = True
            reasons.append(opened.outcome.text)
            result = opened
            if self._given_up != given_up:
                break
        if len(reasons) > 1:
            last = result.outcome
            joined = Outcome(last.verdict, last.stage, last.reply, "; ".join(reasons))
            return NotOpened(joined, refused=result.refused)
        return result

    def give_up(self) -> None:
        """Ends what is being opened, as nobody waits for it any more: it fails now, and its sockets are closed."""
        self._given_up += 1
        for connecting in list(self._connecting):
            connecting.cancel()
        for session in list(self._begun):
            session.abort()

    async def _open_host(self, host: _Host) -> Session | NotOpened:
        opportunistic = self.security.tls == "opportunistic"
        plain = opportunistic and host.plain_until > self.environment.timer.seconds()
        result = await self._open_connection(host, tls=self.security.tls != "off" and not plain)
        if isinstance(result, NotOpened) and result.handshake and opportunistic:
            host.plain_until = self.environment.timer.seconds() + PLAIN_AGAIN
            result = await self._open_connection(host, tls=False)
        return result

    async def _open_connection(self, host: _Host, *, tls: bool) -> Session | NotOpened:
        session = await self._connect(host)
        if isinstance(session, NotOpened):
            return session
        self._begun.add(session)
        try:
            failure = await self._begin(session, host, tls=tls)
        finally:
            self._begun.discard(session)
        if failure is None:
            return session
        session.abort()
        return failure

    async def _begin(self, session: Session, host: _Host, *, tls: bool) -> NotOpened | None:
        """Up to MAIL."""
        failure = None
        if self.security.implicit:
            creator = self._creator(host)
            failure = creator if isinstance(creator, NotOpened) else await self._handshake(session, host, creator)
        failure = failure or await self._greeted(session)
        if failure is None and tls and not self.security.implicit:
            failure = await self._secured(session, host)
        if failure is None and self.security.login is not None:
            failure = await self._authenticated(session, *self.security.login)
        return failure

    async def _connect(self, host: _Host) -> Session | NotOpened:
        environment, target = self.environment, host.target
        factory: Any = Factory.forProtocol(lambda: Session(environment.timer, host.shown))
        factory.noisy = False
        seconds = environment.settings.connect_timeout
        try:
            try:
                session = await self._connected(target.address or target.name, target.port, factory, seconds)
            except DNSLookupError:
                if not host.address:
                    raise
                # A fault of our own resolver is not home's.
                session = await self._connected(host.address, target.port, factory, seconds)
        except Exception as error:
            reason = f"no connection to {host.shown}: {why(error)}"
            failed = Outcome(Verdict.FAILED, Stage.CONNECT, None, reason)
            return NotOpened(failed, refused=isinstance(error, ConnectionRefusedError))
        if leads_to_us(environment, session.local, session.peer, target.port):
            session.abort()
            reason = f"{host.shown} is this server itself"
            return NotOpened(Outcome(Verdict.FAILED, Stage.CONNECT, None, reason))
        host.address = session.peer
        return session

    async def _connected(self, name: str, port: int, factory: Any, seconds: float) -> Session:
        connecting = self.environment.connect(name, port, factory, seconds)
        self._connecting.add(connecting)
        try:
            session: Session = await connecting
            return session
        finally:
            self._connecting.discard(connecting)

    async def _greeted(self, session: Session) -> NotOpened | None:
        wait = self.environment.settings.reply_timeout
        greeting = await session.reply(session.greeting, wait)
        failure = _unless_ok(Stage.GREETING, greeting)
        return failure or await self._hello(session)

    async def _hello(self, session: Session) -> NotOpened | None:
        wait = self.environment.settings.reply_timeout
        answer = await session.reply(session.ehlo(self.environment.hostname), wait)
        if isinstance(answer, Reply) and answer.permanent:  # RFC 5321 §3.2: a server without extensions
            answer = await session.reply(session.helo(self.environment.hostname), wait)
        return _unless_ok(Stage.EHLO, answer)

    async def _secured(self, session: Session, host: _Host) -> NotOpened | None:
        demanded = self.security.tls in ("required", "verify")
        wait = self.environment.settings.reply_timeout
        if not session.offers.starttls:
            if not demanded:
                return None
            reason = f"{host.shown} does not offer STARTTLS, which {self.security.setting} demands"
            return NotOpened(Outcome(Verdict.TEMPORARY, Stage.TLS, None, reason))
        creator = self._creator(host)
        if isinstance(creator, NotOpened):
            return creator
        answer = await session.reply(session.starttls(), wait)
        if isinstance(answer, Lost):
            return NotOpened(Outcome(Verdict.FAILED, Stage.TLS, None, answer.reason), handshake=True)
        if answer.code != 220:
            return NotOpened(outcome(Stage.TLS, answer)) if demanded else None
        failure = await self._handshake(session, host, creator) or await self._hello(session)
        if failure is not None and failure.outcome.reply is None:  # in TLS 1.3 the server's alert comes as late as this
            return NotOpened(failure.outcome, handshake=True)
        return failure

    def _creator(self, host: _Host) -> Any:
        """What makes the TLS; NotOpened where one of our own files will not do, which is no reason to go on without."""
        security = self.security
        name = security.name or host.target.name
        try:
            verify = security.tls == "verify"
            return self.environment.secure(name, verify, security.authorities, security.certificate)
        except ValueError as error:
            reason = f"no TLS to {host.shown}: {error}"
            return NotOpened(Outcome(Verdict.FAILED, Stage.TLS, None, reason))

    async def _handshake(self, session: Session, host: _Host, creator: Any) -> NotOpened | None:
        wait = self.environment.settings.reply_timeout
        if await session.start_tls(creator, wait):
            return None
        lost = session.lost.reason if session.lost else f"no handshake within {wait:g} s"
        reason = f"TLS to {host.shown} failed: {getattr(creator, 'fault', '') or lost}"
        return NotOpened(Outcome(Verdict.FAILED, Stage.TLS, None, reason), handshake=True)

    async def _authenticated(self, session: Session, name: str, password: str) -> NotOpened | None:
        """The password goes over TLS, or to this machine itself; never further in the clear."""
        wait = self.environment.settings.reply_timeout
        if not session.secured and not _loopback(session.peer):
            reason = f"{session.host} does not offer STARTTLS, and the password of {self.security.setting} needs it"
            return NotOpened(Outcome(Verdict.TEMPORARY, Stage.AUTH, None, reason))
        if "PLAIN" in session.offers.auth:
            answer = await session.reply(session.auth_plain(name, password), wait)
        elif "LOGIN" in session.offers.auth:
            answer = await session.reply(session.auth_login(), wait)
            for given in (name, password):
                if isinstance(answer, Reply) and answer.code == 334:
                    answer = await session.reply(session.auth_answer(given), wait)
        else:
            reason = (
                f"{session.host} offers neither AUTH PLAIN nor AUTH LOGIN, and {self.security.setting} has a password"
            )
            return NotOpened(Outcome(Verdict.TEMPORARY, Stage.AUTH, None, reason))
        return _unless_ok(Stage.AUTH, answer)


def leads_to_us(environment: ClientEnvironment, local: str, peer: str, port: int) -> bool:
    """Returns whether a connection from the address ``local`` to ``peer`` and that port has reached one of our doors.

    A name may come to mean us after it was given: an MX that moved here under its old name. We would hand each message
    to ourselves until the third round is a loop, and refuse it.
    """
    if local != peer:
        return False
    ours = {interface for interface, taken in environment.listening() if taken == port}
    return not ours.isdisjoint({"", "0.0.0.0", "::", peer})


def _loopback(address: str) -> bool:
    return _is_address(address) and ip_address(address).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _unless_ok(stage: Stage, answer: Reply | Lost) -> NotOpened | None:
    if isinstance(answer, Lost):
        failed = lost_outcome(stage, answer)
    else:
        failed = outcome(stage, answer)
        if failed.verdict is Verdict.ACCEPTED:
            return None
    return NotOpened(failed, refused=failed.reply is not None)


def lost_outcome(stage: Stage, lost: Lost) -> Outcome:
    """Returns the outcome where no reply came, before the final dot.

    What the server said unasked before it closed counts as the reply.
    """
    if lost.reply is not None and lost.reply.code >= 400:
        result = outcome(stage, lost.reply)
        if result.verdict is not Verdict.FAILED:
            return result
    return Outcome(Verdict.FAILED, stage, None, lost.reason)
