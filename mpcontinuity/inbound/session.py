"""One SMTP connection: bytes to the engine, events to the transaction, replies back (design 2).

Reading is paused where more arrives while work is under way, and while the client does not read our replies. So a
connection, known or not, holds at most what the engine buffers (256 KiB), one read of the transport (64 KiB), its write
buffer (64 KiB and the reply that went beyond), and within DATA the first MiB of a message; more of that is on the disk,
counted by the store.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.transaction import MailTransaction, UserTransaction
from mpcontinuity.inbound.authenticating import Authenticating
from mpcontinuity.inbound.certified import names
from mpcontinuity.inbound.patience import IDLE, Patience
from mpcontinuity.inbound.receipt import Receipt
from mpcontinuity.inbound.services import Role, Services
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols.sasl.exchange import Challenge
from mpcontinuity.protocols.smtp.events import (
    Auth,
    AuthAnswer,
    AuthCancelled,
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

CLOSE = 10.0  # seconds for the client to take our last words

_log = Logger()


@implementer(IPushProducer, IHalfCloseableProtocol)
class Session(Protocol):
    """``implicit_tls``: the transport is under TLS already."""

    transport: Any
    handlers: ClassVar[dict[type[Event], Any]]

    def __init__(self, services: Services, *, implicit_tls: bool = False) -> None:
        self._services = services
        self._engine = ServerEngine(
            services.hostname,
            Limits(message_size=services.limits.message_size, line_length=services.limits.line_length),
            Offers(
                starttls=services.tls is not None and not implicit_tls,
                dsn=services.role is Role.SUBMISSION or services.reports_to_strangers(),
                recipients=services.limits.recipients,
                one_domain=services.role is Role.INBOUND,
            ),
        )
        self._engine.tls = implicit_tls
        self._id = ""
        self._peer = ""
        self._helo = Hello("", False)
        self._transaction: MailTransaction | None = None
        self._login: Authenticating | None = None  # where there is AUTH
        self._begun = False  # the first octets have come, through TLS where it was just begun
        self._watched = False  # we hear when the client does not read
        self._receipt: Receipt | None = None  # of the answer to a message, while nothing was heard since
        self._working = False  # an event is being worked on
        self._in_message = False  # ... and it is the end of a message
        self._turning = False
        self._clogged = False  # the client does not read our replies
        self._unbuffered = False  # the transport holds nothing that is still to be sent
        self._paused = False  # we do not read from the client
        self._heard_out = False  # the client has closed its direction, and may still read
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
        # A TCP connection, and no fake of one; a wrapper for TLS would pass on what its socket says of itself.
        self._unbuffered = not (self._engine.tls or getattr(self.transport, "TLS", True))
        self._share = services.rations.share_of(self._peer)
        self._id = identifier.show(services.identifiers.next())
        services.sessions.add(self)
        if not self._engine.tls:  # else the greeting waits for the handshake, and we would not read that
            self._watch()
        self._heard = services.timer.seconds()
        self._patience = Patience(self._heard)
        self._alarm = services.timer.callLater(IDLE, self._look)
        _log.debug("SMTP session from {peer}", session=self._id, peer=self._peer)
        if services.stopping:
            self._engine.stop(replies.STOPPING)
        self._engine.greet()
        self._flush()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._receipt is not None:
            self._receipt.read()
            self._receipt = None
        if not self._begun:
            self._begin()
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
        if self._receipt is not None and self._engine.closed:
            self._receipt.closed()
        else:
            self._turn()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """We have closed our direction alone, to see the client close."""
        if self._receipt is not None:
            self._receipt.written()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._lost = True
        services = self._services
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._receipt is not None:
            self._receipt.end(reason)
            self._receipt = None
        if not self._in_message:  # else the outcome stands
            self._abandon()
            services.sessions.remove(self)
        # Not of balancers that connect to see whether somebody is there.
        (_log.info if self._messages or (self._engine.commands and self._share.session()) else _log.debug)(
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

    def wind_up(self) -> None:
        """The next command is answered 421."""
        self._engine.stop(replies.STOPPING)

    def close(self, reply: Reply = replies.STOPPING) -> None:
        """421 now, unless a message waits for its answer."""
        if not self._in_message:
            self._engine.close(reply)
            self._turn()

    @property
    def user(self) -> User | None:
        return self._login.user if self._login is not None else None

    def stop(self, last_word: str) -> None:
        """421 now, or behind the answer to a message: the user may no longer be here."""
        reply = Reply(421, "4.7.0", last_word[:1].upper() + last_word[1:])
        self._engine.stop(reply)
        self.close(reply)

    def abort(self) -> None:
        if self._receipt is not None:
            self._receipt.look()
        self.transport.abortConnection()

    def _look(self) -> None:
        """At a client that has gone, or means ill."""
        engine, timer = self._engine, self._services.timer
        if self._working and not self._clogged:
            result: Reply | float = IDLE
        else:
            result = self._patience.look(
                timer.seconds(), heard=self._heard, messages=self._messages, octets=engine.octets
            )
        if isinstance(result, Reply):
            engine.close(result)
            self._turn()
        else:
            self._alarm = timer.callLater(result, self._look)

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
        if self._commands != self._engine.commands:
            if not (self._share.commands(self._engine.commands - self._commands) or self._in_message):
                self._engine.close(replies.TOO_MANY_COMMANDS)
            self._commands = self._engine.commands
            self._heard = self._services.timer.seconds()
        if self._engine.closed and not self._lost:
            self._disconnected()
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

    def _begin(self) -> None:
        """What must wait for the end of a handshake: to be told of a client that does not read, and to offer AUTH."""
        self._begun = True
        self._watch()
        if self._services.login is not None:
            if self._login is None:
                self._login = Authenticating(self._services, self.transport, self._peer, self._id, self._share)
            offered = self._login.offered(tls=self._engine.tls)
            if offered:
                self._engine.offers = replace(self._engine.offers, auth=offered)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self.transport.registerProducer(self, True)

    def _work(self, work: Coroutine[Any, Any, Reply | Challenge]) -> None:
        """Answers the event that waits, now or later; until then no other is given."""
        self._working = True
        self._go_on(work, None)

    def _go_on(self, work: Coroutine[Any, Any, Reply | Challenge], value: Any) -> None:
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
            return replies.NO_ROOM
        _log.failure("a fault of ours", session=self._id)
        return replies.FAULT

    def _reply(self, reply: Reply | Challenge) -> None:
        waited = not self._turning
        self._working = False
        if isinstance(reply, Challenge):
            if not self._engine.closed:
                self._engine.challenge(reply.data)
        else:
            if self._in_message:
                self._end_message(reply)
            if not (self._engine.closed or self._lost):
                self._engine.reply(reply)
        if self._lost:
            return
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
            services, tls = self._services, self._engine.tls
            self._receipt = Receipt(
                transaction, self.transport, services.timer, services.arrival, self.transport.loseConnection, tls=tls
            )

    # Events

    def _hello(self, event: Hello) -> None:
        self._helo = event
        self._abandon()

    def _mail(self, event: Mail) -> None:
        protocol = "UTF8SMTP" if event.parameters.smtputf8 else "ESMTP" if self._helo.extended else "SMTP"
        if self._engine.tls and protocol != "SMTP":
            protocol += "S"  # RFC 3848, RFC 6531 §4.3
        user = self.user
        if user is not None and protocol != "SMTP":
            protocol += "A"
        client = Client(self._peer, self._helo.name, protocol, self._id)
        self._engine.normalise_line_ends = user is not None  # RFC 6409 §8: mended for users, else refused
        if user is not None:
            self._work(self._submit(user, client, event))
            return
        if self._services.role is Role.SUBMISSION:
            self._engine.reply(replies.LOG_IN_FIRST if self._engine.offers.auth else replies.TLS_FIRST)
            return
        home = self._services.home
        if home is not None and not home.origins.none:
            self._work(self._take_from_home(home, client, event))
            return
        try:
            self._engine.reply(self._begin_incoming(client, event))
        except Temporary as error:
            _log.warn("no message is taken: {error}", session=self._id, error=error, often=True)
            self._engine.reply(replies.NO_ROOM)

    def _begin_incoming(self, client: Client, event: Mail) -> Reply:
        """A stranger's message. Raises Temporary."""
        if not self._share.message():
            _log.info("{peer} is over its ration of messages", session=self._id, peer=self._peer, often=True)
            return replies.TOO_MUCH_MAIL
        self._transaction = self._services.begin(client, event.address, event.parameters)
        return replies.SENDER_OK

    async def _submit(self, user: User, client: Client, event: Mail) -> Reply:
        assert self._services.submit is not None
        return await self._sent(self._services.submit(client, user, event.address, event.parameters))

    async def _take_from_home(self, home: HomeMail, client: Client, event: Mail) -> Reply:
        transaction = await home.begin(client, partial(names, self.transport), event.address, event.parameters)
        if transaction is not None:
            return await self._sent(transaction)
        return replies.SENDER_OK if self._lost else self._begin_incoming(client, event)

    async def _sent(self, transaction: UserTransaction) -> Reply:
        reply = await transaction.sender()
        if self._lost or not reply.positive:
            transaction.abandon()
        else:
            self._transaction = transaction
        return reply

    def _rcpt(self, event: Rcpt) -> None:
        assert self._transaction is not None
        self._work(self._transaction.recipient(event.address, event.parameters))

    def _data(self, event: Data) -> None:
        assert self._transaction is not None
        self._engine.reply(self._transaction.begin())

    def _chunk(self, event: Chunk) -> None:
        assert self._transaction is not None
        self._heard = self._services.timer.seconds()
        self._share.octets(len(event.data))
        self._transaction.write(event.data)

    def _end_of_data(self, event: EndOfData) -> None:
        assert self._transaction is not None
        self._in_message = True
        self._messages += 1
        fault = event.fault or (self._transaction.bare_line_ends() if event.bare else None)
        self._work(self._transaction.end(fault))

    def _reset(self, event: Reset) -> None:
        self._abandon()

    def _auth(self, event: Auth) -> None:
        assert self._login is not None
        self._work(self._login.begin(event))

    def _auth_answer(self, event: AuthAnswer) -> None:
        assert self._login is not None
        self._work(self._login.answer(event))

    def _auth_cancelled(self, event: AuthCancelled) -> None:
        """The client has been told."""

    def _start_tls(self, event: StartTls) -> None:
        self._abandon()
        if self._login is not None:
            self._login.forget()
        self._engine.offers = replace(self._engine.offers, auth=())
        self._begun = False
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
        if self._receipt is None or self._receipt.settled:
            self.transport.loseConnection()
        else:
            self._receipt.part(heard_out=self._heard_out)
            self._read_on()
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
    Auth: Session._auth,
    AuthAnswer: Session._auth_answer,
    AuthCancelled: Session._auth_cancelled,
    StartTls: Session._start_tls,
    Disconnect: Session._disconnect,
}
