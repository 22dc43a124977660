"""One SMTP session as a client: the engine of ``protocols/smtp/client.py`` on Twisted's transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.protocols.smtp.client import Broken, ClientEngine, Offers

T = TypeVar("T")

_CLOSE = 10.0  # seconds that a server has to read our QUIT and agree to the end of TLS


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no reply. ``silent``: none within the time; the session may still live. Else it is gone, and
    ``reply`` is what the server said unasked, if anything."""

    reason: str
    silent: bool = False
    reply: Reply | None = None


Response = Deferred[Reply | Lost]


def within(timer: Timer, awaited: Deferred[T], seconds: float, otherwise: T) -> Deferred[T]:
    """Returns what ``awaited`` fires with, or ``otherwise`` after that time; ``awaited`` must not fail, and lives
    on."""
    result: Deferred[T] = Deferred()
    alarm = timer.callLater(seconds, result.callback, otherwise)

    def fired(value: T) -> T:
        if alarm.active():
            alarm.cancel()
            result.callback(value)
        return value

    awaited.addCallback(fired)
    return result


@implementer(IHandshakeListener, IPushProducer)
class Session(Protocol):
    """One session as a client. ``host`` is ``host:port``.

    What is asked for is sent by `flush`, and each command returns a ``Response``, which never fires with a failure.
    """

    def __init__(self, timer: Timer, host: str) -> None:
        self.host = host
        self.opened_in = 0.0  # seconds until it was ready for MAIL
        self.queued = 0.0  # seconds that who has it now waited because others were served
        self.served = 0  # transactions that were begun here; above 1 the session is a reused one
        self.tainted = False  # it has met an error, or an RSET
        self.heard = timer.seconds()  # when the server said something last
        self.used_until = self.heard  # when the last transaction ended
        self.greeting: Response = Deferred()
        self.secured = False  # TLS is on
        self.lost: Lost | None = None
        self.on_lost: Callable[[Session], None] | None = None
        self._timer = timer
        self._engine = ClientEngine()
        self._responses: deque[Response] = deque([self.greeting])
        self._handshake: Deferred[bool] | None = None
        self._closing: Alarm | None = None
        self._producing = False
        self._room: Deferred[bool] | None = None  # the transport's buffer is full; True when there is room

    @property
    def offers(self) -> Offers:
        """What the last EHLO offered."""
        return self._engine.offers

    @property
    def peer(self) -> str:
        """The address of the server, where the transport has one."""
        return getattr(self._transport().getPeer(), "host", "")

    @property
    def local(self) -> str:
        """The address of our end."""
        return getattr(self._transport().getHost(), "host", "")

    @property
    def idle(self) -> bool:
        """Whether it lives, and its dialogue is at its end."""
        return self.lost is None and self._engine.idle

    # Commands

    def ehlo(self, name: str) -> Response:
        self._engine.ehlo(name)
        return self._response()

    def helo(self, name: str) -> Response:
        self._engine.helo(name)
        return self._response()

    def starttls(self) -> Response:
        self._engine.starttls()
        return self._response()

    def auth_plain(self, name: str, password: str) -> Response:
        self._engine.auth_plain(name, password)
        return self._response()

    def auth_login(self) -> Response:
        self._engine.auth_login()
        return self._response()

    def auth_answer(self, text: str) -> Response:
        """Answers a 334 of AUTH."""
        self._engine.auth_answer(text)
        return self._response()

    def mail(self, address: Address | None, parameters: MailParameters) -> Response:
        self._engine.mail(address, parameters)
        return self._response()

    def rcpt(self, address: Address, parameters: RcptParameters) -> Response:
        self._engine.rcpt(address, parameters)
        return self._response()

    def data(self) -> Response:
        self._engine.data()
        return self._response()

    def chunk(self, length: int) -> Response:
        """Begins BDAT: that many octets follow by `message`."""
        self._engine.chunk(length)
        return self._response()

    def message(self, piece: bytes) -> None:
        """Sends a piece of the message."""
        self._engine.message(piece)

    def final_dot(self) -> Response:
        self._engine.final_dot()
        return self._response()

    def rset(self) -> Response:
        self._engine.rset()
        return self._response()

    def flush(self) -> None:
        """Sends all that was asked for, in one write."""
        output = self._engine.to_send()
        if output and self.lost is None:
            self._write(output)

    async def reply(self, response: Response, seconds: float) -> Reply | Lost:
        """Returns the reply, if it comes within that time, or that there is none."""
        self.flush()
        if response.called:
            return await response
        silent = Lost(f"{self.host} did not answer within {seconds:g} s", silent=True)
        return await within(self._timer, response, seconds, silent)

    async def room(self, seconds: float) -> bool:
        """Sends, and waits until the transport takes more; returns False if it does not within that time, or is
        lost."""
        self.flush()
        if self.lost is not None:
            return False
        if not self._producing:
            self._producing = True
            self._transport().registerProducer(self, True)
        if self._room is None:
            return True
        return await within(self._timer, self._room, seconds, False)

    def end_of_message(self) -> None:
        """Notes that no more pieces come: the transport need not ask for them."""
        if self._producing and self.lost is None:
            self._producing = False
            self._transport().unregisterProducer()

    async def start_tls(self, creator: Any, seconds: float) -> bool:
        """Begins TLS after 220 to STARTTLS, and returns whether the handshake was completed.

        Where it fails the session is lost, or silent for ever.
        """
        self._handshake = Deferred()
        self._engine.tls_started()
        self._transport().startTLS(creator)
        return await within(self._timer, self._handshake, seconds, False)

    def quit(self) -> None:
        """Says QUIT and closes; waits for nothing."""
        if self.lost is None:
            if self._engine.idle:
                self._engine.quit()
                self.flush()
            self._transport().loseConnection()
            self._closing = self._timer.callLater(_CLOSE, self._transport().abortConnection)
            self._lose(Lost("closed"))

    def abort(self, reason: str = "aborted") -> None:
        """Closes without a word, so that a message half sent is not taken for a whole one."""
        if self.lost is None:
            self._transport().abortConnection()
            self._lose(Lost(reason))

    # Twisted's calls

    def connectionMade(self) -> None:  # noqa: N802
        set_no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.lost is not None:
            return
        self.heard = self._timer.seconds()
        engine = self._engine
        engine.receive(data)
        while self.lost is None and (answer := engine.next_answer()) is not None:
            if isinstance(answer, Broken):
                self._transport().abortConnection()
                self._lose(Lost(f"{self.host} {answer.reason}", reply=answer.reply))
                return
            self._responses.popleft().callback(answer.reply)
        self.flush()  # what waited for these replies

    def handshakeCompleted(self) -> None:  # noqa: N802
        self.secured = True
        self._end_handshake(True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._lose(Lost(f"{self.host} closed the connection: {why(reason.value or ConnectionError())}"))

    def pauseProducing(self) -> None:  # noqa: N802
        self._room = self._room or Deferred()

    def resumeProducing(self) -> None:  # noqa: N802
        room, self._room = self._room, None
        if room is not None:
            room.callback(True)

    def stopProducing(self) -> None:  # noqa: N802
        """The transport is lost; ``connectionLost`` says it."""

    # Within

    def _response(self) -> Response:
        response: Response = Deferred()
        if self.lost is not None:
            response.callback(self.lost)
        else:
            self._responses.append(response)
        return response

    def _lose(self, lost: Lost) -> None:
        if self.lost is not None:
            return
        self.lost = lost
        self._end_handshake(False)
        room, self._room = self._room, None
        if room is not None:
            room.callback(False)
        if self.on_lost is not None:
            self.on_lost(self)
        while self._responses:
            self._responses.popleft().callback(lost)

    def _end_handshake(self, completed: bool) -> None:
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.callback(completed)

    def _write(self, data: bytes) -> None:
        self._transport().write(data)

    def _transport(self) -> Any:
        return self.transport


def why(error: BaseException) -> str:
    """Returns one line of what Twisted says about a failed or closed connection."""
    return str(error).strip().rstrip(".") or type(error).__name__
