"""Who is let in: connections are counted where they are accepted, before any octet and any handshake."""

from __future__ import annotations

import socket
from collections import Counter
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.app.listening import proxied
from mpcontinuity.app.listening.listeners import EarlyPorts, listen, place
from mpcontinuity.model.hosts import host_of
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.model.timer import Alarm, Timer

MOMENT = 2.0  # seconds for who is turned away to take the word that says so
MOST_TURNED_AWAY = 64  # that are told so at a time; others are closed without a word
SAY = 60.0  # seconds between two lines about them
_NAMED = 10  # hosts in such lines
_REMEMBERED = 1000  # hosts that were turned away since

_log = Logger()


class Gatekeeper:
    """Lets connections in, for every door, and turns away those above a limit.

    It stops accepting while descriptors are short: whom the kernel still queues then is served when others go;
    accepting would fail (EMFILE), or cost one in service.
    """

    def __init__(self, limits: Limits, room: int, timer: Timer, early: EarlyPorts | None = None) -> None:
        """``room`` is the number of sockets at most. ``early`` are ports that were bound while the process still had
        the right to.
        """
        self.rations = Rations(limits, timer.seconds, room)
        self._room = room
        self._timer = timer
        self._early = early or EarlyPorts()
        self._sockets = 0  # let in, being turned away, or still without their PROXY header
        self._told = 0  # of those that are being turned away
        self._ports: list[Any] = []
        self.places: list[tuple[str, int]] = []  # host and port of each listener
        self.accepting = False
        self.accepted: Counter[str] = Counter()  # connections, by door
        self.turned_away = 0
        self._away: Counter[str] = Counter()  # how often, by host; of late

    def bind(self, reactor: Any, door: str, endpoint: str, factory: Any, turned_away: bytes = b"") -> tuple[str, int]:
        """Listens, and accepts only once ``open`` is called. Returns host and port. Raises BadConfiguration.

        ``turned_away`` is what those are told who are not let in; it is empty where they expect TLS first.
        """
        self.accepted[door] += 0
        guarded: Any = _Guarded(self, factory, door, turned_away)
        if endpoint.startswith(proxied.PREFIX):
            guarded = proxied.Proxied(guarded, reactor, self.came, self.went)
        port = self._early.take(endpoint, guarded) or listen(reactor, door, endpoint, guarded)
        self._ports.append(port)
        port.stopReading()
        if port.socket.family in (socket.AF_INET, socket.AF_INET6):
            # inherited by every connection: answers are short, and must not wait for an acknowledgement
            port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.places.append(place(port))
        return self.places[-1]

    def open(self) -> None:
        """Accepts connections on all ports."""
        self.accepting = True
        for port in self._ports:
            port.startReading()

    def close(self) -> Deferred[Any]:
        """Accepts no more. The result fires when no port listens any more; connections stay."""
        self.accepting = False
        ports, self._ports = self._ports, []
        return DeferredList([Deferred.fromCoroutine(_stop(port)) for port in ports])

    def came(self) -> None:
        """Counts one more open socket."""
        self._sockets += 1
        if self._sockets >= self._room and self.accepting:
            self.accepting = False
            for port in self._ports:
                port.stopReading()
            _log.warn("{count} connections: no more are accepted until some go", count=self._sockets, often=True)

    def went(self) -> None:
        """Counts one open socket less."""
        self._sockets -= 1
        if self._ports and not self.accepting and self._sockets < self._room - self._room // 16:
            self.open()

    def let_in(self, host: str, protocol: Any) -> bool:
        """Tells whether ``protocol`` may serve ``host``, which then counts until its connection is lost."""
        if not self.rations.take(host):
            self._note(host_of(host))
            return False
        self.came()
        # A protocol between it and the transport would cost a call for every piece that comes.
        protocol.connectionLost = partial(self._lost, host, protocol)
        return True

    def _note(self, host: str) -> None:
        self.turned_away += 1
        if not self._away:
            self._timer.callLater(SAY, self._say)
        if host in self._away or len(self._away) < _REMEMBERED:
            self._away[host] += 1

    def _say(self) -> None:
        for host, count in self._away.most_common(_NAMED):
            _log.info("{count} connections of {host} were turned away", count=count, host=host)
        if len(self._away) > _NAMED:
            _log.info("connections of {count} more hosts were turned away", count=len(self._away) - _NAMED)
        self._away.clear()

    def _lost(self, host: str, protocol: Any, reason: Failure = connectionDone) -> None:
        del protocol.connectionLost  # its own again
        self.rations.release(host)
        self.went()
        protocol.connectionLost(reason)

    def turn_away(self, word: bytes) -> Protocol | None:
        """Returns a protocol that tells a client ``word`` and hangs up; None where the connection is to be closed at
        once.
        """
        if not word or self._told >= MOST_TURNED_AWAY:
            return None
        self._told += 1
        self.came()
        return _TurnedAway(word, self._timer, self._turned_away)

    def _turned_away(self) -> None:
        self._told -= 1
        self.went()


class _Guarded(Factory):
    """A door's factory, as a port sees it: of what it builds only those are served who are let in."""

    noisy = False

    def __init__(self, gatekeeper: Gatekeeper, factory: Any, door: str, turned_away: bytes) -> None:
        self._gatekeeper = gatekeeper
        self._factory = factory
        self._door = door
        self._word = turned_away

    def doStart(self) -> None:  # noqa: N802
        self._factory.doStart()

    def doStop(self) -> None:  # noqa: N802
        self._factory.doStop()

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802
        self._gatekeeper.accepted[self._door] += 1
        protocol = self._factory.buildProtocol(address)
        if self._gatekeeper.let_in(getattr(address, "host", ""), protocol):
            return protocol
        return self._gatekeeper.turn_away(self._word)


class _TurnedAway(Protocol):
    """Says its word, hangs up, and does not wait for a client that does not read it."""

    transport: Any

    def __init__(self, word: bytes, timer: Timer, ended: Any) -> None:
        self._word = word
        self._timer = timer
        self._ended = ended
        self._alarm: Alarm | None = None

    def connectionMade(self) -> None:  # noqa: N802
        self._alarm = self._timer.callLater(MOMENT, self.transport.abortConnection)
        self.transport.write(self._word)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._ended()


async def _stop(port: Any) -> None:
    await port.stopListening()
