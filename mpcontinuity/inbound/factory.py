"""The SMTP door: a Twisted factory for any number of endpoints, and its orderly end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from mpcontinuity.inbound.services import Services
from mpcontinuity.inbound.session import Session

# Seconds since the stop. SIGTERM leaves 10 in all, and the store wants some of them (contract, 'Two commands').
GRACE = 2.0  # for idle clients to give a command and read 421, for messages that arrive to arrive
PATIENCE = 5.0  # for home's reply to a message, which is then in doubt
LONGEST = 7.0  # then connections are cut

_LOOK = 0.05


class SmtpFactory(ServerFactory):
    """``implicit_tls``: of port 465, whose transport is under TLS already. ``stop_waiting``: home's replies are not
    awaited any longer (`delivery.awaited.AwaitedReplies.stop_waiting`)."""

    noisy = False
    TURNED_AWAY: Final = b"421 4.7.0 Too many connections\r\n"  # said to who is not let in

    def __init__(self, services: Services, stop_waiting: Callable[[], None], *, implicit_tls: bool = False) -> None:
        self.services = services
        self._stop_waiting = stop_waiting
        self._implicit_tls = implicit_tls

    def buildProtocol(self, addr: IAddress | None) -> Session:  # noqa: N802
        session = Session(self.services, implicit_tls=self._implicit_tls)
        session.factory = self
        return session

    def connections(self) -> int:
        return len(self.services.sessions)

    def stop(self) -> Deferred[None]:
        """421 to every session at its next command; fires when every message under way is answered and none is left."""
        services = self.services
        services.stopping = True
        for session in list(services.sessions):
            session.wind_up()
        stopped: Deferred[None] = Deferred()
        begun = services.timer.seconds()

        def look(*due: tuple[float, Callable[[], None]]) -> None:
            spent = services.timer.seconds() - begun
            while due and due[0][0] <= spent:
                due[0][1]()
                due = due[1:]
            if services.sessions and spent < LONGEST + 1:
                services.timer.callLater(_LOOK, look, *due)
            else:
                stopped.callback(None)

        look((GRACE, self._close), (PATIENCE, self._stop_waiting), (LONGEST, self._abort))
        return stopped

    def _close(self) -> None:
        for session in list(self.services.sessions):
            session.close()

    def _abort(self) -> None:
        for session in list(self.services.sessions):
            session.abort()
