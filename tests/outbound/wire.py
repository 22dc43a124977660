"""A network of memory: home servers that answer by script, and connections that take no time."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError, TCPTimedOutError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mpcontinuity.model.settings import DomainSettings, Home
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.outbound.opening import ClientEnvironment
from tests.fakes.clock import ManualClock

T = TypeVar("T")

CLOSE = "close"  # hang up instead of an answer
SILENT = "silent"

_ANSWERS = {
    "EHLO": "250-home.example.org\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME",
    "HELO": "250 home.example.org",
    "STARTTLS": "220 go",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go",
    "BDAT": "250 2.0.0 go on",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class ScriptedHome:
    """Answers each verb as ``answers`` says: a reply, CLOSE, SILENT, a list of these, the last of which stays, or a
    function of the wire and the line, which says a reply or nothing special (empty)."""

    greeting: Any = "220 home.example.org ESMTP"
    message: Any = "250 2.0.0 taken"
    answers: dict[str, Any] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connecting: str = ""  # "refused", "timeout", "unknown"
    handshake: bool | None = True  # None: never ends
    reads_nothing: bool = False  # of a large message
    careless: bool = False  # takes DATA without a recipient
    closes: bool = False  # after a 421
    needs: float = 0.0  # seconds for a message
    opens: float = 0.0  # seconds until the greeting

    def answer(self, verb: str, wire: Wire, line: str = "") -> str:
        usual = _ANSWERS.get(verb, "500 5.5.1 what")
        given = self.answers.get(verb, usual)
        if callable(given):
            return given(wire, line) or usual
        if isinstance(given, list):
            given = given.pop(0) if len(given) > 1 else given[0]
        return str(given)

    @property
    def open(self) -> int:
        """Sessions that are open."""
        return sum(not wire.closed for wire in self.wires)

    @property
    def lines(self) -> list[str]:
        return [line for wire in self.wires for line in wire.lines]


class Wire(StringTransport):
    """The client's end; what is written reaches the scripted home at the next turn of the clock."""

    def __init__(self, home: ScriptedHome, clock: ManualClock) -> None:
        super().__init__()
        self.home = home
        self.clock = clock
        self.protocol: Any = None
        self.lines: list[str] = []
        self.replies: list[str] = []
        self.taken = 0  # messages
        self.writes: list[bytes] = []
        self.closed = False
        self.closed_at = 0.0
        self.aborted = False
        self._input = b""
        self._data = False
        self._taken = 0  # recipients
        self._chunk: int | None = None  # octets of a chunk that are still to come
        self._silent = False  # from the first answer on that is not given

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        if self.home.reads_nothing:
            producer.pauseProducing()

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.clock.callLater(0, self._receive, data)

    def greet(self) -> None:
        """The greeting may depend on who is there."""
        greeting = self.home.greeting
        reply = greeting(self, "") if callable(greeting) else greeting
        self.say(reply)
        if reply.startswith("421") and self.home.closes:
            self.hang_up()

    def say(self, reply: str) -> None:
        if reply == CLOSE:
            self.hang_up()
        elif reply == SILENT:
            self._silent = True
        elif not self.closed and not self._silent:
            self.replies.append(reply)
            self.protocol.dataReceived(reply.encode() + b"\r\n")

    def say_late(self, reply: str) -> None:
        self._silent = False
        self.say(reply)

    def hang_up(self) -> None:
        if not self.closed:
            self.closed = True
            self.closed_at = self.clock.seconds()
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def loseConnection(self) -> None:
        self.clock.callLater(0, self.hang_up)

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def startTLS(self, creator: object) -> None:
        self.lines.append("(TLS)")
        if self.home.handshake is not None:
            done = self.protocol.handshakeCompleted if self.home.handshake else self.hang_up
            self.clock.callLater(0, done)

    def _receive(self, data: bytes) -> None:
        self._input += data
        while not self.closed:
            if self._data:
                ends = (b"\r\n" + self._input).find(b"\r\n.\r\n")
                if ends < 0:
                    return
                self.home.messages.append(self._input[:ends])
                self._input = self._input[ends + 3 :]
                self._data = False
                message = self.home.message
                if callable(message):
                    message = message(self, "")
                reply = message.pop(0) if isinstance(message, list) else message
                self.taken += reply.startswith("2")
                if self.home.needs:
                    self.clock.callLater(self.home.needs, self.say, reply)
                else:
                    self.say(reply)
            elif self._chunk is not None:
                if len(self._input) < self._chunk:
                    return
                self.home.messages.append(self._input[: self._chunk])
                self._input = self._input[self._chunk :]
                self._chunk = None
                self.say(self.home.answer("BDAT", self))
            elif b"\r\n" in self._input:
                line, _, self._input = self._input.partition(b"\r\n")
                self.lines.append(line.decode())
                verb = line.decode().split(" ")[0]
                if verb == "BDAT":
                    self._chunk = int(line.split()[1])
                    if not line.endswith(b" LAST"):
                        continue
                    self._chunk = None
                    self.say(self.home.message)
                    continue
                reply = self.home.answer(verb, self, line.decode())
                if verb == "MAIL":
                    self._taken = 0
                elif verb == "DATA" and not self._taken and not self.home.careless:
                    reply = "503 5.5.1 no recipient"
                self._taken += verb == "RCPT" and reply.startswith("2")
                self._data = verb == "DATA" and reply.startswith("354")
                self.say(reply)
                if verb == "QUIT" or (reply.startswith("421") and self.home.closes):
                    self.hang_up()
            else:
                return


class Network:
    """Hosts by ``host:port``; ``clock`` is everybody's time."""

    def __init__(
        self, clock: ManualClock | None = None, *, listening: Sequence[tuple[str, int]] = (), **settings: Any
    ) -> None:
        self.clock = clock or ManualClock()
        self.homes: dict[str, ScriptedHome] = {}
        self.connected: list[str] = []
        self.verified: list[bool] = []
        ours = partial(tuple, listening)
        environment = ClientEnvironment(
            "mx.example.org", Home(**settings), self.clock, self.connect, self._secure, ours
        )
        self.servers = HomeServers(environment, self.clock)

    def home(self, *hosts: str, domain: int = 1, **settings: Any) -> HomeServer:
        """The home server of a domain at these hosts, which answer as new ScriptedHomes unless known."""
        for host in hosts:
            self.homes.setdefault(host, ScriptedHome())
        name = "example.org" if domain == 1 else f"example{domain}.org"
        return self.servers.of(Domain(DomainSettings(home=hosts, **settings), domain, name))

    def connect(self, host: str, port: int, factory: Any, timeout: float) -> Deferred[Any]:
        name = f"{host}:{port}"
        self.connected.append(name)
        home = self.homes[name]
        if home.connecting == "refused":
            return fail(ConnectionRefusedError())
        if home.connecting == "unknown":
            return fail(DNSLookupError())
        if home.connecting == "timeout":
            never: Deferred[Any] = Deferred()
            self.clock.callLater(timeout, never.errback, TCPTimedOutError())
            return never
        wire = Wire(home, self.clock)
        if host[0].isdigit():
            wire.peerAddr = IPv4Address("TCP", host, port)
        home.wires.append(wire)
        protocol = factory.buildProtocol(None)
        wire.protocol = protocol
        protocol.makeConnection(wire)
        self.clock.callLater(home.opens, wire.greet)
        return succeed(protocol)

    def settle(self, seconds: float = 0.0) -> None:
        """Lets everything happen that takes no time, then so many seconds, then again."""
        self._settle()
        if seconds:
            self.clock.advance(seconds)
            self._settle()

    def _settle(self) -> None:
        for _ in range(200):
            self.clock.advance(0)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 0.0) -> T:
        """The result of ``work``, which must have come after that time."""
        started = self.start(work)
        self.settle(seconds)
        assert len(started) == 1, "not done yet"
        return started[0]

    def start(self, work: Coroutine[Any, Any, T]) -> list[T]:
        """Gets the result of ``work`` when it is done."""
        results: list[T] = []
        Deferred.fromCoroutine(work).addCallback(results.append)
        return results

    def _secure(self, host: str, verify: bool, authorities: str, certificate: str) -> object:
        self.verified.append(verify)
        return object()


@dataclass(frozen=True)
class Domain:
    settings: DomainSettings
    id: int = 1
    name: str = "example.org"
