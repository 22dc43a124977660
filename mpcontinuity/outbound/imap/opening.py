"""How a session with an IMAP server begins: connection, TLS as it is demanded, greeting, login."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any

from twisted.internet.protocol import Factory

from mpcontinuity.model.imapurl import ImapUrl
from mpcontinuity.outbound.imap.session import ImapSession
from mpcontinuity.outbound.opening import ClientEnvironment, leads_to_us
from mpcontinuity.outbound.session import Lost, why
from mpcontinuity.protocols.imap.client import Greeting, Unsendable

# RFC 5530 §3: the server cannot tell now, which is not about this user; and this user's mailbox is locked. An account
# that is locked for good (CONTACTADMIN, EXPIRED) is refused.
_NOT_NOW = {"UNAVAILABLE", "LIMIT", "SERVERBUG"}
_IN_USE = {"INUSE"}


@dataclass(frozen=True, slots=True)
class ImapLogin:
    """Who logs in. Secrets are in no representation of it.

    ``name`` is the one that is logged in with. With ``authorization`` SASL PLAIN is used, and it is the user whose
    mailboxes are opened. With ``token`` it is an access token of OAuth 2, and there is no password.
    """

    name: str
    password: str = field(default="", repr=False)
    authorization: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ImapServer:
    """An IMAP server, and what its TLS must be. ``certificate_name`` is the name that the certificate must have, empty
    for that of the host; ``authorities`` a PEM file of those that are believed, empty for the system's."""

    url: ImapUrl
    certificate_name: str = ""
    authorities: str = ""


class Fault(enum.Enum):
    """What was wrong where no session was opened."""

    UNREACHABLE = "unreachable"  # no connection, no greeting, no answer, or nonsense
    INSECURE = "insecure"  # TLS is not what is demanded
    REFUSED = "refused"  # the login was refused: this user, or the master's password
    NOT_NOW = "not now"  # the server has no session to give at present
    IN_USE = "in use"  # this user's mailbox is locked at present


@dataclass(frozen=True, slots=True)
class NoSession:
    """Why there is no session: one line for tracking and the log, without secrets. ``told`` is the server's own line,
    where it said something."""

    fault: Fault
    reason: str
    told: str = ""


async def open_session(
    environment: ClientEnvironment, server: ImapServer, login: ImapLogin | None
) -> ImapSession | NoSession:
    """Returns a session that is logged in; with ``login`` None one that is only greeted and secured. Never raises.

    A password or token goes over TLS, or to this machine itself; without TLS further only where the URL says
    ``tls=off``.
    """
    session = await _connected(environment, server.url)
    if isinstance(session, NoSession):
        return session
    failure = await _Opening(environment, server, session).open(login)
    if failure is None:
        return session
    session.abort()
    return failure


async def _connected(environment: ClientEnvironment, url: ImapUrl) -> ImapSession | NoSession:
    factory: Any = Factory.forProtocol(lambda: ImapSession(environment.timer, url.shown))
    factory.noisy = False
    try:
        session: ImapSession = await environment.connect(
            url.host, url.port, factory, environment.settings.connect_timeout
        )
    except Exception as error:
        return NoSession(Fault.UNREACHABLE, f"no connection to {url.shown}: {why(error)}")
    if leads_to_us(environment, session.local, session.peer, url.port):
        session.abort()
        return NoSession(Fault.UNREACHABLE, f"{url.shown} is this server itself")
    return session


class _Opening:
    """The beginning of one session."""

    def __init__(self, environment: ClientEnvironment, server: ImapServer, session: ImapSession) -> None:
        self._environment = environment
        self._server = server
        self._session = session
        self._wait = environment.settings.reply_timeout
        self._local = _loopback(session.peer)

    async def open(self, login: ImapLogin | None) -> NoSession | None:
        url = self._server.url
        failure = await self._handshake() if url.implicit else None
        failure = failure or await self._greeted()
        if failure is None and not url.implicit:
            failure = await self._starttls()
        if failure is None and login is not None:
            failure = await self._logged_in(login)
        return failure

    async def _greeted(self) -> NoSession | None:
        answer = await self._session.answer(self._wait)
        if not isinstance(answer, Greeting):
            return self._lost(answer)
        status = answer.status
        if status.condition == "BYE":
            return NoSession(Fault.NOT_NOW, f"{self._session.host} refuses us: {status.text}", status.line)
        if status.condition == "PREAUTH":  # as whom? and STARTTLS is not permitted then (RFC 9051 §7.1.4)
            return NoSession(Fault.INSECURE, f"{self._session.host} has logged us in unasked (PREAUTH)")
        return await self._capabilities()

    async def _capabilities(self) -> NoSession | None:
        """Asks for them where the server has not told them by itself."""
        engine = self._session.engine
        if engine.capabilities:
            return None
        answer = await self._session.ask(engine.capability, self._wait)
        if isinstance(answer, Lost):
            return self._lost(answer)
        if not answer.status.ok:
            return NoSession(Fault.NOT_NOW, f"{self._session.host}: {answer.status.line}", answer.status.line)
        return None

    async def _starttls(self) -> NoSession | None:
        tls, engine = self._server.url.tls, self._session.engine
        if tls == "off" or (not tls and self._local):
            return None
        host = self._session.host
        if "STARTTLS" not in engine.capabilities:
            return NoSession(Fault.INSECURE, f"{host} does not offer STARTTLS, without which no password goes there")
        answer = await self._session.ask(engine.starttls, self._wait)
        if isinstance(answer, Lost):
            return self._lost(answer)
        if not answer.status.ok:
            return NoSession(Fault.INSECURE, f"{host} refuses STARTTLS: {answer.status.line}", answer.status.line)
        return await self._handshake() or await self._capabilities()

    async def _handshake(self) -> NoSession | None:
        server, session = self._server, self._session
        verified = server.url.tls == "verify" or (not server.url.tls and not self._local)
        name = server.certificate_name or server.url.host
        try:
            creator = self._environment.secure(name, verified, server.authorities, "")
        except (OSError, ValueError) as error:
            return NoSession(Fault.INSECURE, f"no TLS to {session.host}: {why(error)}")
        if await session.start_tls(creator, self._wait):
            return None
        fault = getattr(creator, "fault", "")
        reason = fault or (session.lost.reason if session.lost else f"no handshake within {self._wait:g} s")
        kind = Fault.INSECURE if fault else Fault.UNREACHABLE
        return NoSession(kind, f"TLS to {session.host} failed: {reason}")

    async def _logged_in(self, login: ImapLogin) -> NoSession | None:
        engine, host = self._session.engine, self._session.host
        try:
            answer = await self._session.ask(_asked(engine.capabilities, engine, login), self._wait)
        except Unsendable as error:
            return NoSession(Fault.REFUSED, f"{host}: the login cannot be sent: {error}")
        if isinstance(answer, Lost):
            return self._lost(answer)
        status = answer.status
        if status.ok:
            return await self._capabilities()
        reason = f"{host} refuses the login as {login.authorization or login.name}: {status.line}"
        if answer.challenge:
            reason += f" ({answer.challenge})"
        return NoSession(_fault(status.code), reason, status.line)

    def _lost(self, answer: object) -> NoSession:
        reason = answer.reason if isinstance(answer, Lost) else f"{self._session.host} is out of step"
        return NoSession(Fault.UNREACHABLE, reason)


def _fault(code: str) -> Fault:
    """Of a login that was refused with that response code."""
    if code in _IN_USE:
        return Fault.IN_USE
    return Fault.NOT_NOW if code in _NOT_NOW else Fault.REFUSED


def _asked(capabilities: frozenset[str], engine: Any, login: ImapLogin) -> Callable[[], None]:
    """By LOGIN where that is permitted: names with ``*master`` work with it everywhere."""
    if login.token:
        return partial(engine.authenticate_token, login.name, login.token)
    if login.authorization or "LOGINDISABLED" in capabilities:
        return partial(engine.authenticate_plain, login.name, login.password, login.authorization)
    return partial(engine.login, login.name, login.password)


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
