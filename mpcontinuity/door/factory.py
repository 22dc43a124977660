"""A door: makes the connections of its endpoints, knows which are open, and ends them when the server stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from mpcontinuity.door.closing import Closing
from mpcontinuity.door.connection import Connection, Connections
from mpcontinuity.door.services import Services

# Seconds since the stop. SIGTERM leaves 10 in all, and the store wants some of them (contract, 'Two commands').
GRACE: Final = 2.0  # for clients to come to a point where the last word can be said, and for messages to arrive
PATIENCE: Final = 5.0  # for the work that others have to do, such as a home server's reply to a message
LONGEST: Final = 7.0  # then connections are cut

_LOOK = 0.05

S = TypeVar("S", bound=Services)


class DoorFactory(ServerFactory, Generic[S]):
    """Twisted's factory of one door; a subclass says which connections it makes."""

    noisy = False
    TURNED_AWAY: ClassVar[bytes]  # what a client reads that is not let in; in plain text only

    def __init__(self, services: S, *, implicit_tls: bool = False) -> None:
        """With ``implicit_tls`` the transports are under TLS from the first octet (ports 465, 993 and 995)."""
        self.services = services
        self.connections = Connections()
        self.implicit_tls = implicit_tls
        services.store.listen(Closing(services.directory, services.timer, self.connections).heard)

    def connect(self) -> Connection[Any, Any]:
        """Returns a new connection, which has no transport yet."""
        raise NotImplementedError

    def stop_waiting(self) -> None:
        """Is called `PATIENCE` after the stop, to end what the work of connections still waits for."""

    def buildProtocol(self, addr: IAddress | None) -> Connection[Any, Any]:  # noqa: N802
        connection = self.connect()
        connection.factory = self
        return connection

    def count(self) -> int:
        """Returns how many connections are open, those among them whose client has gone before its message was
        answered."""
        return len(self.connections)

    def stop(self) -> Deferred[None]:
        """Tells every client that the server stops. Fires when none is left, which takes `LONGEST` at most."""
        self.connections.stopping = True
        for connection in list(self.connections):
            connection.wind_up()
        stopped: Deferred[None] = Deferred()
        timer = self.services.timer
        begun = timer.seconds()

        def look(*due: tuple[float, Callable[[], None]]) -> None:
            spent = timer.seconds() - begun
            while due and due[0][0] <= spent:
                due[0][1]()
                due = due[1:]
            if self.connections and spent < LONGEST + 1:
                timer.callLater(_LOOK, look, *due)
            else:
                stopped.callback(None)

        look((GRACE, self._close), (PATIENCE, self.stop_waiting), (LONGEST, self._cut))
        return stopped

    def _close(self) -> None:
        for connection in list(self.connections):
            connection.close()

    def _cut(self) -> None:
        for connection in list(self.connections):
            connection.cut()
