"""One connection of a client: octets to the engine, its events to the door that handles them, answers to the client.

What every door does alike is written here once: it works off one event after the other, reads no further meanwhile
than it must, writes once per turn and no faster than the client reads, counts commands, notices silence, says a last
word where that can be said, and does not wait long for a client that does not take it.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar
from typing import Protocol as Typing

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.accounts.users import User
from mpcontinuity.door.authenticating import Authenticating
from mpcontinuity.door.deadline import LINGER, Deadline
from mpcontinuity.door.lastword import SILENT, STOPPING, TOO_MANY_COMMANDS, LastWord
from mpcontinuity.door.output import Gone, Output
from mpcontinuity.door.services import Services
from mpcontinuity.model import identifier

# Events of one client that are worked off in a row before others have their turn.
TURN: Final = 100

# Octets of answers that are joined before they are written; the next piece waits until the transport has passed the
# last one on.
PIECE: Final = 64 * 1024

# Seconds until a client that would be out of time is looked at again, because work for it is under way.
_AGAIN: Final = 60.0

_log = Logger()


class Engine(Typing):
    """The server's side of a protocol, without sockets, clock or store."""

    closed: bool
    """Whether the dialogue has ended; what is to be sent may still say why."""
    commands: int
    """How many commands have come, those among them that the engine answers by itself."""
    unsent: int
    """Octets of long answers that `to_send` has not returned yet; short ones need not be counted."""

    @property
    def waiting(self) -> int:
        """Octets that were received and not yet looked at."""
        ...

    def receive(self, data: bytes) -> None: ...

    def next_event(self) -> Any:
        """Returns the next thing to do. None means that more must come, or an answer be given, first."""
        ...

    def to_send(self) -> bytes:
        """Returns all answers since the last call."""
        ...

    def tls_started(self) -> None:
        """Forgets what was said before TLS."""
        ...

    def close(self) -> None:
        """Ends the dialogue without saying anything to the client."""
        ...


class Phase(enum.Enum):
    """How far a connection has come. `FOLLOWS` says what may come next."""

    OPEN = "both sides may speak"
    HEARD_OUT = "the client has closed its direction; what it sent is still worked off and answered"
    PARTING = "all was said; the client has some seconds to take it and to close"
    LOST = "the transport is gone"


FOLLOWS: Final = {
    Phase.OPEN: frozenset({Phase.HEARD_OUT, Phase.PARTING, Phase.LOST}),
    Phase.HEARD_OUT: frozenset({Phase.PARTING, Phase.LOST}),
    Phase.PARTING: frozenset({Phase.LOST}),
    Phase.LOST: frozenset(),
}


class Connections(set["Connection[Any, Any]"]):
    """The connections of one door that are open."""

    stopping = False
    """Whether the server stops. Who still comes in is told so."""


E = TypeVar("E", bound=Engine)
S = TypeVar("S", bound=Services)


@implementer(IHalfCloseableProtocol)
class Connection(Protocol, Generic[E, S]):
    """Twisted's protocol of one client. A subclass has the engine of its protocol and says what its events come to.

    A subclass must have `DOOR`, `handlers`, `begin` and `say`; the other methods of the section 'What a door decides'
    have answers that suit most protocols.
    """

    DOOR: ClassVar[str]  # the protocol's name, for the log
    ENDS: ClassVar[str] = "{commands} commands"  # what the log says at the end, with the fields of `figures`
    LOGIN_WITHIN: ClassVar[float]  # seconds from the connection to a login, whatever is said meanwhile
    SILENCE: ClassVar[float]  # seconds without a sign of life of a user who has logged in
    # By event of the engine: what does as it asks, and answers it; None where that is done at once. The next event is
    # handled after what was returned has been awaited.
    handlers: ClassVar[Mapping[type, Callable[[Any, Any], Awaitable[None] | None]]]
    READ_AHEAD: ClassVar[int] = 0  # octets that a client may send ahead while a command runs; then it is not read

    transport: Any

    def __init__(self, services: S, engine: E, connections: Connections, *, implicit_tls: bool) -> None:
        """``connections`` are those of the door, of which this is one from its first moment to its last."""
        self.services = services
        self.engine = engine
        self.secure = implicit_tls
        self.phase = Phase.OPEN
        self._connections = connections
        self._deadline = Deadline(services.timer)
        self.working = False  # on events, in this turn or later
        self.expecting: Callable[[], object] | None = None  # called once, when something comes
        self._fresh = False  # the event at hand has not waited for anything yet
        self._reading = True
        self._postponed: LastWord | None = None
        self._events = 0
        self._commands = 0
        self._signs = 0  # of life: events and commands, as they were counted last

    # What a door decides

    def begin(self) -> None:
        """Greets the client, by giving the engine what is to be said."""
        raise NotImplementedError

    def say(self, word: LastWord) -> None:
        """Gives the engine a last word to say, and closes it."""
        raise NotImplementedError

    def patience(self, now: float) -> float | LastWord:
        """Returns for how many seconds the client need not be looked at, or the word by which it is sent away.

        Before a login nothing prolongs what a stranger may take; then the last sign of life counts.
        """
        left = self.heard + self.SILENCE - now if self.user is not None else self._begun + self.LOGIN_WITHIN - now
        return left if left > 0 else SILENT

    @property
    def interruptible(self) -> bool:
        """Whether a last word may be said while an event is being worked on: not where it could come in the middle of
        an answer."""
        return False

    @property
    def resting(self) -> bool:
        """Whether a last word may be said now, when no event is being worked on."""
        return True

    def postpone(self, word: LastWord) -> None:
        """Has a last word said as soon as it can be."""
        self._postponed = word

    def wind_up(self) -> None:
        """Is called when the server stops."""
        self.stop(STOPPING)

    def close(self) -> None:
        """Is called when the server has been stopping for a while, and does not wait much longer."""
        self.stop(STOPPING)

    def hang_up(self, *, heard_out: bool) -> None:
        """Closes the transport behind all that was said. ``heard_out``: the client has closed its direction."""
        self.output.close()

    def leave(self) -> None:
        """Gives back what the connection holds for its user. Is called once or twice, at the latest when it is lost."""

    def gone(self, reason: Failure) -> None:
        """Is called when the transport is lost. What is held beyond that is given up by `forget`."""
        self.forget()

    def figures(self) -> dict[str, object]:
        """Returns the fields of `ENDS`."""
        return {"commands": self.engine.commands}

    @property
    def useful(self) -> bool:
        """Whether the end of this connection is worth a line in the log, whatever strangers do by the thousand."""
        return self.user is not None

    # The transport's side

    def connectionMade(self) -> None:  # noqa: N802
        services, transport = self.services, self.transport
        self.peer = getattr(transport.getPeer(), "host", "")
        self.name = identifier.show(services.store.identifiers.next())
        self.share = services.rations.share_of(self.peer)
        self.output = Output(transport, self._read)
        self.login = Authenticating(
            services.login, transport, door=self.DOOR, peer=self.peer, session=self.name, share=self.share
        )
        self._begun = self.heard = services.timer.seconds()
        self._connections.add(self)
        _log.debug("{door} session from {peer}", session=self.name, door=self.DOOR, peer=self.peer)
        self.begin()
        if self._connections.stopping:
            self.wind_up()
        self.flush()
        if self.phase is Phase.OPEN:
            self._look()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.expecting is not None:
            expecting, self.expecting = self.expecting, None
            expecting()
        engine = self.engine
        if engine.closed:
            return
        engine.receive(data)
        if not self.working:
            self._turn()
        elif self.engine.closed:  # too much was sent
            if self.interruptible:
                self.part()
        elif self._reading and engine.waiting > self.READ_AHEAD:
            # Only who sends more without waiting is made to wait: for others that would be two system calls each time.
            self._reading = False
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:  # noqa: N802
        """Notes that the client has closed its direction. What it sent is still answered; then the server closes too.

        Under TLS it is never called, because TLS closes both directions at once.
        """
        if self.phase is Phase.OPEN:
            self._enter(Phase.HEARD_OUT)
            if not self.working:
                self.part()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Does nothing: only the server's own direction was closed."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.phase is Phase.LOST:
            return
        self._enter(Phase.LOST)
        self._deadline.clear()
        self.engine.close()
        self.output.lost()
        self.leave()
        self.gone(reason)
        # Balancers that connect to see whether somebody is there are no news.
        (_log.info if self.useful or (self.engine.commands and self.share.session()) else _log.debug)(
            "{door} session from {peer} ends: " + self.ENDS,
            session=self.name,
            door=self.DOOR,
            peer=self.peer,
            **self.figures(),
        )

    # The loop: events, work, one write

    def _turn(self) -> None:
        """Works off events until there are no more, or until one of them has to wait for something."""
        self.working = True
        engine, output, handlers = self.engine, self.output, self.handlers
        events = 0
        while self._postponed is None or not self.resting:
            if engine.unsent >= PIECE:
                self.flush()
            if not output.has_room:
                work: Awaitable[None] | None = self._room()
            elif events == TURN:
                events = 0
                work = self.let_others()
            else:
                event = engine.next_event()
                if event is None:
                    break
                events += 1
                work = handlers[type(event)](self, event)
            if work is not None:
                self._fresh = True
                if not self._step(work, None):
                    return
            self._events += 1
        self.working = False
        self._end_turn()
        if self._postponed is not None:
            self.stop(self._postponed)
        elif engine.closed or self.phase is Phase.HEARD_OUT:
            self.part()
        elif not self._reading:
            self.read_on()

    def _step(self, work: Any, value: Any) -> bool:
        """Does what `Deferred.fromCoroutine` does, at a third of its price: most work waits for nothing, or once.

        Returns whether the work is done; else it goes on by itself.
        """
        error = value.value if isinstance(value, Failure) else None
        try:
            awaited = work.send(value) if error is None else work.throw(error)
        except StopIteration:
            return True
        except Gone:
            self.working = False
        except Exception:
            _log.failure("a session failed", session=self.name)
            self.working = False
            self.cut()
        else:
            if self._fresh:  # what was said before it does not wait for it; what it says comes in pieces of its own
                self._fresh = False
                self._end_turn()
            awaited.addBoth(partial(self._go_on, work))
        return False

    def _go_on(self, work: Any, value: Any) -> None:
        if self._step(work, value):
            self._events += 1
            self._turn()

    def _end_turn(self) -> None:
        """The one write of a turn, and what came in it is counted."""
        engine = self.engine
        data = engine.to_send()
        if data:
            self.output.write(data)
        signs = self._events + engine.commands
        if signs == self._signs:
            return
        self._signs = signs
        self.heard = self.services.timer.seconds()
        commands = engine.commands - self._commands
        if commands:
            self._commands += commands
            if not self.share.commands(commands):
                self.stop(TOO_MANY_COMMANDS)

    async def _room(self) -> None:
        self.flush()
        await self.output.room()

    async def let_others(self) -> None:
        """Writes what was said, and lets others have their turn."""
        later: Deferred[None] = Deferred()
        self.services.timer.callLater(0, later.callback, None)
        await later

    def flush(self) -> None:
        """Writes what the engine has to say."""
        data = self.engine.to_send()
        if data:
            self.output.write(data)

    def read_on(self) -> None:
        """Reads from the client again, where that was paused and the client has not closed."""
        if not self._reading and self.phase in (Phase.OPEN, Phase.PARTING):
            self._reading = True
            self.transport.resumeProducing()

    def start_tls(self) -> None:
        """Begins TLS behind what was said last. Forgets the dialogue so far, and who has logged in in it.

        The connection is cut where the client has sent more in plain text already: somebody else may have put that
        there, and it would be run as if it came through TLS (CVE-2011-0411).
        """
        self.flush()
        if self.engine.waiting:
            _log.warn("sent plain text behind STARTTLS", session=self.name)
            self.engine.close()
            self.cut()
            return
        self.transport.startTLS(self.services.tls)
        self.engine.tls_started()
        self.secure = True
        self.login.forget()

    # Time and the end

    @property
    def user(self) -> User | None:
        """The user who has logged in."""
        return self.login.user

    @property
    def may_log_in(self) -> bool:
        """Whether the client may send a password: under TLS, or from where that is not asked for."""
        return self.secure or self.services.plaintext_allowed(self.peer)

    def stop(self, word: LastWord) -> None:
        """Says ``word`` now or, where that would come in the middle of an answer, behind it; then hangs up."""
        if self.phase in (Phase.PARTING, Phase.LOST):
            return
        if self.working and not self.interruptible:
            self.postpone(word)
            return
        self._postponed = None
        if not self.engine.closed:
            self.say(word)
        self.part()

    def part(self) -> None:
        """Hangs up behind what was said, and does not wait long for a client that does not read it."""
        if self.phase in (Phase.PARTING, Phase.LOST):
            return
        heard_out = self.phase is Phase.HEARD_OUT
        self._enter(Phase.PARTING)
        self.flush()
        self.engine.close()
        self.leave()
        self._deadline.set(LINGER, self.cut)
        self.hang_up(heard_out=heard_out)

    def cut(self) -> None:
        """Ends the connection at once; what was said may not arrive."""
        self.transport.abortConnection()

    def forget(self) -> None:
        """Removes this connection from those of its door, which no longer waits for it when the server stops."""
        self._connections.discard(self)

    def _look(self) -> None:
        """Looks at a client that may have been silent for too long."""
        left = self.patience(self.services.timer.seconds())
        if isinstance(left, LastWord):
            if self.output.full:  # it does not read, and would not read that either
                self.cut()
                return
            if not self.working:
                self.stop(left)
                return
            left = _AGAIN
        self._deadline.set(left, self._look)

    def _read(self) -> None:
        """The client has read some."""
        self.heard = self.services.timer.seconds()

    def _enter(self, phase: Phase) -> None:
        if phase not in FOLLOWS[self.phase]:
            raise RuntimeError(f"a connection cannot go from {self.phase.name} to {phase.name}")
        self.phase = phase
