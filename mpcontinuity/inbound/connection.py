"""One connection at an SMTP door: what each event of the engine comes to, and what its mail transaction is asked.

Reading is paused where more arrives while work is under way. So a connection, known or not, holds at most what the
engine buffers (256 KiB), one read of the transport (64 KiB), its write buffer (64 KiB and the reply that went beyond),
and within DATA the first MiB of a message; more of that is on the disk, counted by the store.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial

from twisted.internet.interfaces import IHandshakeListener
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.transaction import MailTransaction, UserTransaction
from mpcontinuity.door.connection import Connection, Connections, Phase
from mpcontinuity.door.lastword import STOPPING, LastWord
from mpcontinuity.inbound.certified import names
from mpcontinuity.inbound.patience import Patience
from mpcontinuity.inbound.receipt import Receipt
from mpcontinuity.inbound.services import Role, SmtpServices
from mpcontinuity.inbound.transactions import Stage, Transactions
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed
from mpcontinuity.protocols.smtp.events import (
    Auth,
    AuthAnswer,
    AuthCancelled,
    Chunk,
    Data,
    Disconnect,
    EndOfData,
    Etrn,
    Hello,
    Mail,
    Rcpt,
    Reset,
    StartTls,
)
from mpcontinuity.protocols.smtp.server import ServerEngine
from mpcontinuity.protocols.smtp.terms import Limits, Offers

_UNKNOWN = Hello("", False)  # who has not said EHLO

_log = Logger()


def reply_of(word: LastWord) -> Reply:
    """Returns the 421 by which SMTP says a last word."""
    return Reply(421, word.status, word.text[:1].upper() + word.text[1:])


@implementer(IHandshakeListener)
class SmtpConnection(Connection[ServerEngine, SmtpServices]):
    """One client of port 25, 587 or 465."""

    DOOR = "SMTP"
    ENDS = "{messages} messages; {why}"

    def __init__(self, services: SmtpServices, connections: Connections, *, implicit_tls: bool) -> None:
        limits = services.limits
        engine = ServerEngine(
            services.hostname,
            Limits(message_size=limits.message_size, line_length=limits.line_length),
            Offers(
                starttls=services.tls is not None and not implicit_tls,
                dsn=services.role is Role.SUBMISSION or services.reports_to_strangers(),
                recipients=limits.recipients,
                one_domain=services.role is Role.INBOUND,
                etrn=services.calls is not None,
            ),
        )
        engine.tls = implicit_tls
        super().__init__(services, engine, connections, implicit_tls=implicit_tls)
        self.mail = Transactions()
        self._helo = _UNKNOWN
        self._why = "the connection was lost"

    # What this door decides

    def begin(self) -> None:
        self._patience = Patience(self.heard)
        self._offer_login()
        self.engine.greet()

    def say(self, word: LastWord) -> None:
        self.engine.close(reply_of(word))

    def patience(self, now: float) -> float | LastWord:
        """Looks at what arrives of a message too. Nobody has to log in: many who send mail need not."""
        return self._patience.look(now, heard=self.heard, messages=self.mail.messages, octets=self.engine.octets)

    @property
    def interruptible(self) -> bool:
        """Whether a last word may be said now. 421 may answer any command (RFC 5321 §3.8), but not a message: the
        client would send it again.
        """
        return self.mail.stage is not Stage.COMPLETE

    def postpone(self, word: LastWord) -> None:
        """Has the command behind the message answered by ``word``, so that the client has read the answer to that by
        then.
        """
        self.engine.stop(reply_of(word))

    def wind_up(self) -> None:
        """Has the next command answered by 421; a message that is arriving may end first."""
        self.engine.stop(reply_of(STOPPING))

    def hang_up(self, *, heard_out: bool) -> None:
        receipt = self.mail.receipt
        if receipt is None:
            self.output.close()
        else:  # the end of the connection tells whether the client has read the answer to its message
            self.output.release()
            receipt.part(heard_out=heard_out)
            self.read_on()

    def leave(self) -> None:
        self.mail.abandon()

    def gone(self, reason: Failure) -> None:
        self.mail.lost(reason)
        if self.mail.stage is not Stage.COMPLETE:  # else when that is answered
            self.forget()

    def cut(self) -> None:
        if (receipt := self.mail.receipt) is not None:
            receipt.look()
        super().cut()

    def figures(self) -> dict[str, object]:
        return {"messages": self.mail.messages, "why": self._why}

    @property
    def useful(self) -> bool:
        return self.mail.messages > 0

    # The transport's side

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Offers what can be used to log in under TLS: what was offered before did not know of the handshake."""
        self._offer_login()

    def readConnectionLost(self) -> None:  # noqa: N802
        if self.phase is Phase.OPEN:
            self._why = "the client closed"
        elif (receipt := self.mail.receipt) is not None:
            receipt.closed()
        super().readConnectionLost()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """We have closed our direction alone, to see the client close."""
        if (receipt := self.mail.receipt) is not None:
            receipt.written()

    # Work

    async def _answer(self, work: Awaitable[Reply | Challenge]) -> None:
        """Answers the event that waits by what ``work`` comes to."""
        try:
            reply = await work
        except Temporary as error:
            _log.warn("not taken: {error}", session=self.name, error=error, often=True)
            reply = replies.NO_ROOM
        except Exception:
            _log.failure("a fault of ours", session=self.name)
            reply = replies.FAULT
        engine = self.engine
        if isinstance(reply, Challenge):
            if not engine.closed:
                engine.challenge(reply.data)
            return
        if self.mail.stage is Stage.COMPLETE:
            self.mail.answered(reply, None if engine.closed else self._receipt_of)
            self.expecting = self.mail.went_on
            if self.phase is Phase.LOST:
                self.forget()
        if not engine.closed:
            engine.reply(reply)

    def _receipt_of(self, transaction: MailTransaction) -> Receipt:
        transport, services = self.transport, self.services
        return Receipt(
            transaction, transport, services.timer, services.arrival, transport.loseConnection, tls=self.secure
        )

    def _offer_login(self) -> None:
        auth = self.login.mechanisms() if self.may_log_in else ()  # RFC 4954 §3: offered where it can be used
        if auth != self.engine.offers.auth:
            self.engine.offers = replace(self.engine.offers, auth=auth)

    # Events

    def _hello(self, event: Hello) -> None:
        self._helo = event
        self.mail.abandon()

    def _mail(self, event: Mail) -> Awaitable[None] | None:
        protocol = "UTF8SMTP" if event.parameters.smtputf8 else "ESMTP" if self._helo.extended else "SMTP"
        if self.secure and protocol != "SMTP":
            protocol += "S"  # RFC 3848, RFC 6531 §4.3
        user = self.login.user
        if user is not None and protocol != "SMTP":
            protocol += "A"
        client = Client(self.peer, self._helo.name, protocol, self.name)
        self.engine.normalise_line_ends = user is not None  # RFC 6409 §8: mended for users, else refused
        if user is not None:
            return self._answer(self._submit(user, client, event))
        if self.services.role is Role.SUBMISSION:
            self.engine.reply(replies.LOG_IN_FIRST if self.engine.offers.auth else replies.TLS_FIRST)
            return None
        home = self.services.home
        if home is not None and not home.origins.none:
            return self._answer(self._take_from_home(home, client, event))
        try:
            self.engine.reply(self._begin_incoming(client, event))
        except Temporary as error:
            _log.warn("no message is taken: {error}", session=self.name, error=error, often=True)
            self.engine.reply(replies.NO_ROOM)
        return None

    def _begin_incoming(self, client: Client, event: Mail) -> Reply:
        """Begins a stranger's message. Raises Temporary."""
        if not self.share.message():
            _log.info("{peer} is over its ration of messages", session=self.name, peer=self.peer, often=True)
            return replies.TOO_MUCH_MAIL
        self.mail.begin(self.services.begin(client, event.address, event.parameters))
        return replies.SENDER_OK

    async def _submit(self, user: User, client: Client, event: Mail) -> Reply:
        return await self._sent(self.services.submit(client, user, event.address, event.parameters))

    async def _take_from_home(self, home: HomeMail, client: Client, event: Mail) -> Reply:
        transaction = await home.begin(client, partial(names, self.transport), event.address, event.parameters)
        if transaction is not None:
            return await self._sent(transaction)
        return replies.SENDER_OK if self.engine.closed else self._begin_incoming(client, event)

    async def _sent(self, transaction: UserTransaction) -> Reply:
        reply = await transaction.sender()
        if self.engine.closed or not reply.positive:
            transaction.abandon()
        else:
            self.mail.begin(transaction)
        return reply

    def _rcpt(self, event: Rcpt) -> Awaitable[None]:
        assert self.mail.current is not None
        return self._answer(self.mail.current.recipient(event.address, event.parameters))

    def _data(self, event: Data) -> None:
        assert self.mail.current is not None
        self.engine.reply(self.mail.current.begin())

    def _chunk(self, event: Chunk) -> None:
        assert self.mail.current is not None
        self.share.octets(len(event.data))
        self.mail.current.write(event.data)

    def _end_of_data(self, event: EndOfData) -> Awaitable[None]:
        transaction = self.mail.complete()
        fault = event.fault or (transaction.bare_line_ends() if event.bare else None)
        return self._answer(transaction.end(fault))

    def _reset(self, event: Reset) -> None:
        self.mail.abandon()

    def _etrn(self, event: Etrn) -> Awaitable[None]:
        calls = self.services.calls
        assert calls is not None
        return self._answer(calls.start(event.node, self.peer, self.login.user, subdomains=event.subdomains))

    def _auth(self, event: Auth) -> Awaitable[None]:
        return self._answer(self._judged(self.login.begin(event.mechanism, event.initial)))

    def _auth_answer(self, event: AuthAnswer) -> Awaitable[None]:
        return self._answer(self._judged(self.login.answer(event.answer)))

    async def _judged(self, judging: Awaitable[Challenge | User | Failed]) -> Challenge | Reply:
        try:
            step = await judging
        except Temporary as error:
            _log.warn("nobody can log in: {error}", session=self.name, error=error, often=True)
            return replies.NO_LOGIN_NOW
        if isinstance(step, Challenge):
            return step
        if not isinstance(step, Failed):
            self.login.enter(step)
            return replies.LOGGED_IN
        if step.malformed:
            return Reply(501, "5.5.2", f"Not understood: {step.reason}")
        return replies.TOO_MANY_PASSWORDS if self.login.exhausted else replies.WRONG_PASSWORD

    def _auth_cancelled(self, event: AuthCancelled) -> None:
        """The client has been told."""

    def _start_tls(self, event: StartTls) -> None:
        self.mail.abandon()  # RFC 3207 §4.2: what was said before TLS is forgotten
        self._helo = _UNKNOWN
        self.engine.offers = replace(self.engine.offers, auth=())
        self.start_tls()

    def _disconnect(self, event: Disconnect) -> None:
        self._why = event.reason


SmtpConnection.handlers = {
    Hello: SmtpConnection._hello,
    Mail: SmtpConnection._mail,
    Rcpt: SmtpConnection._rcpt,
    Data: SmtpConnection._data,
    Chunk: SmtpConnection._chunk,
    EndOfData: SmtpConnection._end_of_data,
    Reset: SmtpConnection._reset,
    Auth: SmtpConnection._auth,
    AuthAnswer: SmtpConnection._auth_answer,
    AuthCancelled: SmtpConnection._auth_cancelled,
    Etrn: SmtpConnection._etrn,
    StartTls: SmtpConnection._start_tls,
    Disconnect: SmtpConnection._disconnect,
}
