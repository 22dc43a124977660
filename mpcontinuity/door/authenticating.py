"""Who has logged in on one connection, and how often that has failed: the same for every protocol."""

from __future__ import annotations

from typing import Any, Final

from twisted.logger import Logger

from mpcontinuity.accounts.authentication import WRONG, Authentication, channel_binding, mechanisms
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.model.rations import Share
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed

# Wrong passwords on one connection, after which it ends: to go on guessing costs a new connection each time, besides
# what accounts/throttle.py makes it wait. As many as `login_failures` lets pass before it delays anybody, so that a
# user who mistypes meets one limit and not two.
WRONG_PASSWORDS: Final = 10

_log = Logger()


class Authenticating:
    """The logins that are tried on one connection. Methods that judge a login raise Temporary while the store
    cannot be asked."""

    def __init__(self, login: UserLogin, transport: Any, *, door: str, peer: str, session: str, share: Share) -> None:
        """``door`` is the name of the protocol, ``peer`` the client's IP address, ``session`` the id of the connection
        in the log."""
        self.user: User | None = None
        self._door = door
        self._login = login
        self._transport = transport
        self._peer = peer
        self._session = session
        self._share = share
        self._exchange: Authentication | None = None
        self._wrong_passwords = 0

    @property
    def exhausted(self) -> bool:
        """Whether so many passwords were wrong that the connection has to end."""
        return self._wrong_passwords >= WRONG_PASSWORDS

    def mechanisms(self) -> tuple[str, ...]:
        """Returns the SASL mechanisms that can be used on this connection now; they are more once TLS is on."""
        return mechanisms(self._transport)

    async def check(self, name: str, password: str) -> User | Failed:
        """Judges a name and a password that were given in plain words. Returns the user, or why there is none."""
        user = await self._login.check(name, password, self._peer, by_device=True)
        return self._judged(name, user or WRONG)

    async def begin(self, mechanism: str, initial: bytes | None) -> Challenge | User | Failed:
        """Begins a SASL exchange (RFC 4422). ``initial`` is the client's initial response, None where it sent none.

        Returns a challenge for the client, or the user who has proven who they are, or why that failed.
        """
        self._exchange = Authentication(self._login, mechanism, self._peer, channel_binding(self._transport))
        return await self._step(self._exchange, initial)

    async def answer(self, answer: bytes) -> Challenge | User | Failed:
        """Takes the client's answer to the last challenge; returns what `begin` returns."""
        assert self._exchange is not None
        return await self._step(self._exchange, answer)

    def enter(self, user: User) -> None:
        """Takes ``user`` as logged in. The door calls it when nothing else stands against the login."""
        self.user = user
        self._share.logged_in()
        self._login.logins.note(user, self._door, self._peer)
        _log.info("login of {user!r} from {peer}", session=self._session, user=user.address, peer=self._peer)

    def forget(self) -> None:
        """Forgets who has logged in, and the exchange at hand: TLS begins (RFC 3207 §4.2), or the client cancels."""
        self.user = self._exchange = None

    async def _step(self, exchange: Authentication, message: bytes | None) -> Challenge | User | Failed:
        step = await exchange.receive(message)
        if isinstance(step, Challenge):
            return step
        self._exchange = None
        return self._judged(exchange.name, step)

    def _judged(self, name: str, found: User | Failed) -> User | Failed:
        if isinstance(found, Failed) and not found.malformed:
            self._wrong_passwords += 1
            if self._share.refusal():
                _log.info(
                    "login of {user!r} from {peer} failed", session=self._session, user=name[:200], peer=self._peer
                )
        return found
