"""AUTH at an SMTP door (RFC 4954): which mechanisms a connection is offered, and who has logged in on it."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from mpcontinuity.accounts.authentication import MECHANISMS, Authentication, channel_binding, mechanisms
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.inbound.services import Services
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import Share
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed
from mpcontinuity.protocols.smtp.events import Auth, AuthAnswer

WRONG_PASSWORDS = 5  # the next one costs a new connection, besides what accounts/throttle.py adds


_log = Logger()


class Authenticating:
    """Of one session, which is ``session`` in the log."""

    def __init__(self, services: Services, transport: Any, peer: str, session: str, share: Share) -> None:
        self.user: User | None = None
        self._services = services
        self._transport = transport
        self._peer = peer
        self._session = session
        self._share = share
        self._exchange: Authentication | None = None
        self._wrong_passwords = 0

    def offered(self, *, tls: bool) -> tuple[str, ...]:
        """Once a handshake is over."""
        if self._services.login is None:
            return ()
        if tls:
            return mechanisms(self._transport)
        return MECHANISMS if self._services.plaintext_allowed(self._peer) else ()

    def forget(self) -> None:
        """TLS begins: nobody has logged in (RFC 3207 §4.2)."""
        self.user = self._exchange = None

    async def begin(self, event: Auth) -> Reply | Challenge:
        assert self._services.login is not None
        binding = channel_binding(self._transport)
        self._exchange = Authentication(self._services.login, event.mechanism, self._peer, binding)
        return await self._step(self._exchange, event.initial)

    async def answer(self, event: AuthAnswer) -> Reply | Challenge:
        assert self._exchange is not None
        return await self._step(self._exchange, event.answer)

    async def _step(self, exchange: Authentication, message: bytes | None) -> Reply | Challenge:
        try:
            step = await exchange.receive(message)
        except Temporary as error:
            _log.warn("nobody can log in: {error}", session=self._session, error=error, often=True)
            return replies.NO_LOGIN_NOW
        if isinstance(step, Challenge):
            return step
        self._exchange = None
        if isinstance(step, Failed):
            return self._failed(exchange.name, step)
        self.user = step
        self._share.logged_in()
        _log.info("login of {user!r} from {peer}", session=self._session, user=step.address, peer=self._peer)
        return replies.LOGGED_IN

    def _failed(self, name: str, failed: Failed) -> Reply:
        if failed.malformed:
            return Reply(501, "5.5.2", f"Not understood: {failed.reason}")
        self._wrong_passwords += 1
        if self._share.refusal():
            _log.info("login of {user!r} from {peer} failed", session=self._session, user=name[:200], peer=self._peer)
        return replies.WRONG_PASSWORD if self._wrong_passwords < WRONG_PASSWORDS else replies.TOO_MANY_PASSWORDS
