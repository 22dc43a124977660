"""A door whose protocol is as small as can be, on a wire and a clock that a test holds in its hand.

A line is a command. ``wait`` is answered when the test says so, ``long N`` by N octets, ``bye`` ends the dialogue,
``tls`` begins TLS, ``login`` logs somebody in, and any other line is answered by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mpcontinuity.accounts.users import User
from mpcontinuity.door.connection import Connection, Connections
from mpcontinuity.door.factory import DoorFactory
from mpcontinuity.door.lastword import LastWord
from mpcontinuity.door.services import Services
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock


class Engine:
    def __init__(self) -> None:
        self.closed = False
        self.commands = 0
        self.unsent = 0
        self._received = b""
        self._output: list[bytes] = []

    @property
    def waiting(self) -> int:
        return len(self._received)

    def receive(self, data: bytes) -> None:
        self._received += data

    def next_event(self) -> bytes | None:
        line, end, rest = self._received.partition(b"\n")
        if not end or self.closed:
            return None
        self._received = rest
        self.commands += 1
        return line

    def send(self, data: bytes) -> None:
        self._output.append(data)
        self.unsent += len(data)

    def to_send(self) -> bytes:
        data = b"".join(self._output)
        self._output.clear()
        self.unsent = 0
        return data

    def tls_started(self) -> None:
        self._received = b""

    def close(self, text: str = "") -> None:
        if text:
            self.send(f"! {text}\n".encode())
        self.closed = True
        self._received = b""


class ToyConnection(Connection[Engine, Services]):
    DOOR = "toy"
    LOGIN_WITHIN = 60.0
    SILENCE = 600.0

    def __init__(self, services: Services, connections: Connections, *, implicit_tls: bool = False) -> None:
        super().__init__(services, Engine(), connections, implicit_tls=implicit_tls)
        self.waits: list[Deferred[None]] = []
        self.left = 0

    def begin(self) -> None:
        self.engine.send(b"hello\n")

    def command(self, line: bytes) -> Awaitable[None] | None:
        verb, _, argument = line.partition(b" ")
        if verb == b"wait":
            return self._wait()
        if verb == b"tls":
            self.engine.send(b"begin\n")
            self.start_tls()
        elif verb == b"login":
            user: Any = argument
            assert not isinstance(user, User)
            self.login.user = user
        elif verb == b"bye":
            self.engine.close("bye")
        elif verb == b"fault":
            raise ZeroDivisionError
        else:
            self.engine.send(b"x" * int(argument) if verb == b"long" else line + b"\n")
        return None

    async def _wait(self) -> None:
        self.engine.send(b"(")
        self.waits.append(Deferred())
        await self.waits[-1]
        self.engine.send(b")\n")

    def say(self, word: LastWord) -> None:
        self.engine.close(word.text)

    def leave(self) -> None:
        self.left += 1


ToyConnection.handlers = {bytes: ToyConnection.command}


class ToyFactory(DoorFactory[Services]):
    TURNED_AWAY = b"! no\n"

    def connect(self) -> ToyConnection:
        return ToyConnection(self.services, self.connections, implicit_tls=self.implicit_tls)


class Wire(StringTransport):
    """Counts writes, knows TLS, and may be full."""

    producer: Any

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.tls = False
        self.aborted = False
        self.full = False

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)
        if self.full:
            self.producer.pauseProducing()

    def startTLS(self, context: object) -> None:
        self.tls = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


class Toy:
    """A door of which one client is connected."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        unused: Any = None
        self.clock = clock
        self.factory = ToyFactory(
            Services(
                store=store,
                directory=unused,
                login=unused,
                rations=Rations(Limits(), clock.seconds),
                limits=Limits(),
                timer=clock,
                tls=object(),
                hostname="mx.example",
            )
        )
        self.connection, self.wire = self.connect()

    def connect(self) -> tuple[ToyConnection, Wire]:
        connection: Any = self.factory.buildProtocol(None)
        wire = Wire()
        connection.makeConnection(wire)
        return connection, wire

    def say(self, *lines: str) -> str:
        """Sends lines in one piece; what is read then."""
        self.connection.dataReceived("".join(f"{line}\n" for line in lines).encode())
        return self.read()

    def read(self) -> str:
        data: bytes = self.wire.value()
        self.wire.clear()
        return data.decode()

    def lose(self) -> None:
        self.connection.connectionLost(Failure(ConnectionDone()))
