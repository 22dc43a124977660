"""One IMAP session as a client: the engine of ``protocols/imap/client.py`` on Twisted's transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.session import Lost, why, within
from mpcontinuity.protocols.imap.client import Broken, ClientEngine, Completed, GoAhead, Greeting

Heard = Greeting | Completed | GoAhead | Lost

# Octets that are read in one turn of the reactor: 64 KiB of short lines take some 40 ms.
_TURN = 8192
_CLOSE = 10.0  # seconds that a server has to answer LOGOUT and to agree to the end of TLS


@implementer(IHandshakeListener, IPushProducer)
class ImapSession(Protocol):
    """One session as a client. ``host`` is ``host:port``. It lives in the reactor thread.

    One thing is asked for at a time, by a method of ``engine``; `answer` sends it and returns what the server says.
    ``lost`` is set once the session is gone.
    """

    def __init__(self, timer: Timer, host: str) -> None:
        self.host = host
        self.engine = ClientEngine()
        self.lost: Lost | None = None
        self.secured = False  # TLS is on
        self.on_lost: Callable[[ImapSession], None] | None = None
        self._timer = timer
        self._heard: list[Heard] = []
        self._awaited: Deferred[Heard] | None = None
        self._handshake: Deferred[bool] | None = None
        self._closing: Alarm | None = None
        self._producing = False
        self._room: Deferred[bool] | None = None  # the transport's buffer is full; True when there is room

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
        """Whether it lives, and something may be asked for."""
        return self.lost is None and self.engine.idle

    def heard(self) -> Deferred[Heard]:
        """Sends what was asked for. The Deferred fires with the next thing that the server says, or with Lost, never
        with a failure; wait for it before you ask for the next."""
        self.flush()
        self._take_events()  # a small literal need not wait for leave
        heard: Deferred[Heard] = Deferred()
        if self._heard:
            heard.callback(self._heard.pop(0))
        elif self.lost is not None:
            heard.callback(self.lost)
        else:
            self._awaited = heard
        return heard

    async def answer(self, seconds: float) -> Heard:
        """Sends what was asked for, and returns what the server says, or Lost if it says nothing within that time.

        A session that was silent is gone: its answer could be taken for that to another question.
        """
        heard = self.heard()
        silent = self._silent(seconds)
        answer = await (heard if heard.called else within(self._timer, heard, seconds, silent))
        if isinstance(answer, Lost):
            self.abort(answer.reason)
        return answer

    async def ask(self, question: Callable[[], None], seconds: float) -> Completed | Lost:
        """Asks by ``question``, a method of ``engine`` with its arguments, and returns the answer.

        Raises Unsendable where the engine cannot say it. A server that ended the session meanwhile is Lost.
        """
        if not self.idle:
            return self.lost or Lost(f"{self.host} ended the session")
        question()
        answer = await self.answer(seconds)
        if isinstance(answer, Completed | Lost):
            return answer
        self.abort("out of step")
        return Lost(f"{self.host} said something else than was asked for")

    async def start_tls(self, creator: Any, seconds: float) -> bool:
        """Begins TLS, and returns whether the handshake was completed."""
        handshake: Deferred[bool] = Deferred()
        self._handshake = handshake
        self.engine.tls_started()
        self._transport().startTLS(creator)
        return await within(self._timer, handshake, seconds, False)

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

    def flush(self) -> None:
        """Sends all that was asked for, in one write."""
        output = self.engine.to_send()
        if output and self.lost is None:
            self._transport().write(output)

    def logout(self) -> None:
        """Says LOGOUT and closes; waits for nothing."""
        if self.lost is None:
            if self.engine.idle:
                self.engine.logout()
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
        self._transport().bufferSize = _TURN
        set_no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.lost is not None:
            return
        self.engine.receive(data)
        self._take_events()
        self.flush()  # what waited for this

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

    def _silent(self, seconds: float) -> Heard:
        return Lost(f"{self.host} did not answer within {seconds:g} s", silent=True)

    def _take_events(self) -> None:
        while self.lost is None and (event := self.engine.next_event()) is not None:
            if isinstance(event, Broken):
                self._transport().abortConnection()
                self._lose(Lost(f"{self.host} {event.reason}"))
                return
            self._hear(event)

    def _hear(self, heard: Heard) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.callback(heard)
        else:
            self._heard.append(heard)

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
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.callback(lost)

    def _end_handshake(self, completed: bool) -> None:
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.callback(completed)

    def _transport(self) -> Any:
        return self.transport
