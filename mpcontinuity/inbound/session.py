"""One SMTP connection: bytes to the engine, events to the transaction, replies back (design 2).

Reading is paused where more arrives while work is under way, and while the client does not read our replies. So a
connection, known or not, holds at most what the engine buffers (256 KiB), one read of the transport (64 KiB), its write
buffer (64 KiB and the reply that went beyond), and within DATA the first MiB of a message; more of that is on the disk,
counted by the store.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any, ClassVar

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.delivery.envelope import Client
from mpcontinuity.inbound.services import Services
from mpcontinuity.inbound.transaction import Transaction
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols.smtp.data import BARE_LINE_END
from mpcontinuity.protocols.smtp.events import (
    Chunk,
    Data,
    Disconnect,
    EndOfData,
    Event,
    Hello,
    Mail,
    Rcpt,
    Reset,
    StartTls,
)
from mpcontinuity.protocols.smtp.server import ServerEngine
from mpcontinuity.protocols.smtp.terms import Limits, Offers

IDLE = 300.0  # seconds without a complete command or a piece of a message (RFC 5321 §4.5.3.2.7)
CLOSE = 10.0  # seconds for the client to take our last words

SENDER_OK = Reply(250, "2.1.0", "Sender OK")
NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage, try again later")
FAULT = Reply(451, "4.3.0", "A fault of ours, try again later")
TIMED_OUT = Reply(421, "4.4.2", "Nothing heard for 5 minutes")
STOPPING = Reply(421, "4.3.2", "The server shuts down")
TOO_MANY = b"421 4.7.0 Too many connections\r\n"

_log = Logger()


@implementer(IPushProducer, IHalfCloseableProtocol)
class Session(Protocol):
    """``implicit_tls``: the transport is under TLS already.

    Submission will bring a `Begin` and offers of its own; nothing here is about relaying.
    """

    transport: Any
    handlers: ClassVar[dict[type[Event], Any]]

    def __init__(self, services: Services, *, implicit_tls: bool = False) -> None:
        self._services = services
        self._engine = ServerEngine(
            services.hostname,
            Limits(message_size=services.limits.message_size, line_length=services.limits.line_length),
            Offers(starttls=services.tls is not None and not implicit_tls, recipients=services.limits.recipients),
        )
        self._engine.tls = implicit_tls
        self._id = ""
        self._peer = ""
        self._helo = Hello("", False)
        self._transaction: Transaction | None = None
        self._answered: Transaction | None = None  # its message was answered, and nothing was heard since
        self._working = False  # an event is being worked on
        self._in_message = False  # ... and it is the end of a message
        self._turning = False
        self._clogged = False  # the client does not read our replies
        self._unbuffered = False  # the transport holds nothing that is still to be sent
        self._paused = False  # we do not read from the client
        self._heard_out = False  # the client has closed its direction, and may still read
        self._counted = False
        self._heard = 0.0
        self._commands = 0
        self._messages = 0
        self._why = "the connection was lost"
        self._alarm: Alarm | None = None
        self._lost = False

    @property
    def in_message(self) -> bool:
        """A message is complete and not yet answered."""
        return self._in_message

    # The transport's side

    def connectionMade(self) -> None:  # noqa: N802
        services = self._services
        self._peer = getattr(self.transport.getPeer(), "host", "")
        if not services.connections.take(self._peer):
            self.transport.write(TOO_MANY)
            self.transport.loseConnection()
            return
        self._counted = True
        self._unbuffered = not getattr(self.transport, "TLS", True)  # a TCP connection, and no fake of one
        self._id = identifier.show(services.identifiers.next())
        services.sessions.add(self)
        self.transport.registerProducer(self, True)
        self._heard = services.timer.seconds()
        self._alarm = services.timer.callLater(IDLE, self._idle)
        _log.debug("SMTP session from {peer}", session=self._id, peer=self._peer)
        if services.stopping:
            self._engine.stop(STOPPING)
        self._engine.greet()
        self._flush()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._answered is not None:
            self._answered.went_on()
            self._answered = None
        self._engine.receive(data)
        if self._working and not self._paused:
            # Only who sends more without waiting is made to wait: for others that would be two system calls each time.
            self._paused = True
            self.transport.pauseProducing()
        self._turn()

    def readConnectionLost(self) -> None:  # noqa: N802
        """No more will come; what came is worked off and answered, then we close too. TLS knows no half of a close."""
        self._heard_out = True
        self._why = "the client closed"
        if self._counted:
            self._turn()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """We never close our direction alone."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if not self._counted:
            return
        self._lost = True
        services = self._services
        services.connections.release(self._peer)
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._answered is not None:
            self._answered.lost()
            self._answered = None
        if not self._in_message:  # else the outcome stands
            self._abandon()
            services.sessions.remove(self)
        # Not of balancers that connect to see whether somebody is there.
        (_log.info if self._engine.commands else _log.debug)(
            "SMTP session from {peer} ends: {messages} messages; {why}",
            session=self._id,
            peer=self._peer,
            messages=self._messages,
            why=self._why,
        )

    def pauseProducing(self) -> None:  # noqa: N802
        """The transport's write buffer is full."""
        self._clogged = self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        self._clogged = False
        if not self._working:
            self._read_on()
            self._turn()

    def stopProducing(self) -> None:  # noqa: N802
        """The transport is lost; ``connectionLost`` says it."""

    # The end

    def stop(self) -> None:
        """The next command is answered 421."""
        self._engine.stop(STOPPING)

    def close(self) -> None:
        """421 now, unless a message waits for its answer."""
        if not self._in_message:
            self._engine.close(STOPPING)
            self._turn()

    def abort(self) -> None:
        self.transport.abortConnection()

    def _idle(self) -> None:
        """A client that neither completes a command nor sends a piece of its message has gone, or means ill."""
        left = self._heard + IDLE - self._services.timer.seconds()
        if self._working and not self._clogged:
            left = IDLE
        if left > 0:
            self._alarm = self._services.timer.callLater(left, self._idle)
            return
        self._engine.close(TIMED_OUT)
        self._turn()

    # A turn: events, work, one write

    def _turn(self) -> None:
        if self._turning:
            return
        self._turning = True
        try:
            while not self._working and not self._clogged:
                event = self._engine.next_event()
                if event is None:
                    break
                self.handlers[type(event)](self, event)
        finally:
            self._turning = False
        if self._engine.closed and not self._lost:
            self._disconnected()
        if self._commands != self._engine.commands:
            self._commands = self._engine.commands
            self._heard = self._services.timer.seconds()
        self._flush()
        if self._heard_out and not (self._working or self._clogged or self._engine.closed or self._lost):
            self._hang_up()

    def _disconnected(self) -> None:
        """The engine has closed, perhaps while work is under way: its Disconnect is the last event."""
        event = self._engine.next_event()
        if isinstance(event, Disconnect):
            self._disconnect(event)

    def _flush(self) -> None:
        data = self._engine.to_send()
        if not data or self._lost:
            return
        transport = self.transport
        if self._unbuffered and not transport.TLS:
            # At once, without asking the reactor when the socket is ready: that would be two system calls and a turn.
            sent = transport.writeSomeData(data)
            if sent == len(data):
                return
            self._unbuffered = False
            if isinstance(sent, int):
                data = data[sent:]
        transport.write(data)

    def _work(self, work: Coroutine[Any, Any, Reply]) -> None:
        """Answers the event that waits, now or later; until then no other is given."""
        self._working = True
        self._go_on(work, None)

    def _go_on(self, work: Coroutine[Any, Any, Reply], value: Any) -> None:
        """What `Deferred.fromCoroutine` does, at a third of its price: most work waits for nothing, or once."""
        error = value.value if isinstance(value, Failure) else None
        try:
            awaited = work.send(value) if error is None else work.throw(error)
        except StopIteration as done:
            reply = done.value
        except Exception as fault:
            reply = self._failed(fault)
        else:
            awaited.addBoth(partial(self._go_on, work))
            return
        self._reply(reply)

    def _failed(self, error: Exception) -> Reply:
        if isinstance(error, Temporary):
            _log.warn("not taken: {error}", session=self._id, error=error, often=True)
            return NO_ROOM
        _log.failure("a fault of ours", session=self._id)
        return FAULT

    def _reply(self, reply: Reply) -> None:
        waited = not self._turning
        self._working = False
        if self._in_message:
            self._end_message(reply)
        if self._lost:
            return
        if not self._engine.closed:
            self._engine.reply(reply)
        self._heard = self._services.timer.seconds()
        if waited:
            self._turn()
            # Not before all that came has been worked on: what is held would grow by one read with every reply.
            if self._paused and not self._working and not self._clogged and not self._lost:
                self._read_on()

    def _read_on(self) -> None:
        self._paused = False
        if not self._heard_out:
            self.transport.resumeProducing()

    def _end_message(self, reply: Reply) -> None:
        self._in_message = False
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        if self._lost:
            transaction.lost()
            self._services.sessions.remove(self)
        elif reply.positive:
            self._answered = transaction

    # Events

    def _hello(self, event: Hello) -> None:
        self._helo = event
        self._abandon()

    def _mail(self, event: Mail) -> None:
        protocol = "UTF8SMTP" if event.parameters.smtputf8 else "ESMTP" if self._helo.extended else "SMTP"
        if self._engine.tls and protocol != "SMTP":
            protocol += "S"  # RFC 3848, RFC 6531 §4.3
        client = Client(self._peer, self._helo.name, protocol, self._id)
        try:
            self._transaction = self._services.begin(client, event.address, event.parameters)
        except Temporary as error:
            _log.warn("no message is taken: {error}", session=self._id, error=error, often=True)
            self._engine.reply(NO_ROOM)
        else:
            self._engine.reply(SENDER_OK)

    def _rcpt(self, event: Rcpt) -> None:
        assert self._transaction is not None
        self._work(self._transaction.recipient(event.address, event.parameters))

    def _data(self, event: Data) -> None:
        assert self._transaction is not None
        self._engine.reply(self._transaction.begin())

    def _chunk(self, event: Chunk) -> None:
        assert self._transaction is not None
        self._heard = self._services.timer.seconds()
        self._transaction.write(event.data)

    def _end_of_data(self, event: EndOfData) -> None:
        assert self._transaction is not None
        self._in_message = True
        self._messages += 1
        self._work(self._transaction.end(event.fault or (BARE_LINE_END if event.bare else None)))

    def _reset(self, event: Reset) -> None:
        self._abandon()

    def _start_tls(self, event: StartTls) -> None:
        self._abandon()
        self._helo = Hello("", False)
        self._flush()
        self.transport.startTLS(self._services.tls)
        self._engine.tls_started()

    def _disconnect(self, event: Disconnect) -> None:
        self._why = event.reason
        if not self._in_message:
            self._abandon()
        self._flush()
        self._hang_up()

    def _hang_up(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = self._services.timer.callLater(CLOSE, self.abort)

    def _abandon(self) -> None:
        if self._transaction is not None:
            self._transaction.abandon()
            self._transaction = None


Session.handlers = {
    Hello: Session._hello,
    Mail: Session._mail,
    Rcpt: Session._rcpt,
    Data: Session._data,
    Chunk: Session._chunk,
    EndOfData: Session._end_of_data,
    Reset: Session._reset,
    StartTls: Session._start_tls,
    Disconnect: Session._disconnect,
}
