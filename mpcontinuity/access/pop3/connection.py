"""One POP3 connection: bytes to the engine, its events to what they ask for, answers to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.access.pop3.maildrop import NoSuchMessage
from mpcontinuity.access.pop3.services import LINGER, LOGIN_WITHIN, SILENCE, TURN, Services
from mpcontinuity.access.pop3.session import HANDLERS, Session
from mpcontinuity.accounts.directory import User
from mpcontinuity.door.output import Gone, Output
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Corrupt, Refused, Stopping, Temporary
from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols.pop3.engine import ServerEngine
from mpcontinuity.protocols.pop3.events import Disconnect, Event, StartTls

if TYPE_CHECKING:
    from mpcontinuity.access.pop3.factory import Pop3Factory

_log = Logger()


class Damaged(Exception):
    """A message failed when a part of it was on the wire already: the connection cannot go on."""


class Connection(Protocol):
    """Events are worked off one after the other; what comes meanwhile is not read."""

    factory: Pop3Factory
    transport: Any

    def __init__(self, services: Services, *, implicit_tls: bool) -> None:
        self._services = services
        self._engine = ServerEngine()
        self._engine.tls = implicit_tls
        self._engine.tls_offered = services.tls is not None and not implicit_tls
        self._session: Session | None = None
        self._working = False
        self._paused = False
        self._last_word = ""
        self._alarm: Alarm | None = None
        self._heard = 0.0

    # The transport's side

    def connectionMade(self) -> None:  # noqa: N802
        services = self._services
        host = getattr(self.transport.getPeer(), "host", "")
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self._session = Session(
            services,
            self._engine,
            Output(self.transport, self._progressed),
            name=identifier.show(services.store.identifiers.next()),
            peer=host,
            transport=self.transport,
            holder=Holder(self._silent, self._evicted),
        )
        self.factory.connections.add(self)
        self._progressed()
        self._alarm = services.timer.callLater(LOGIN_WITHIN, self._alarmed)
        self._engine.greet(f"{services.hostname} POP3, mpcontinuity")
        self._session.output.write(self._engine.to_send())

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        session = self._session
        if session is None or self._engine.closed:
            return
        self._progressed()
        self._engine.receive(data)
        if not self._working:
            self._working = True
            Deferred.fromCoroutine(self._work(session)).addErrback(self._failed)
        elif not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._engine.close()
        session, self._session = self._session, None
        if session is not None:
            self.factory.connections.discard(self)
            session.output.lost()
            session.leave()
            (_log.info if session.share.session() else _log.debug)(
                "POP3 session from {peer} ends: {fetched} messages fetched, {removed} {how}",
                session=session.name,
                peer=session.peer,
                fetched=session.fetched,
                removed=session.removed,
                how=session.how,
            )

    # Events

    async def _work(self, session: Session) -> None:
        events = 0
        try:
            while (event := self._engine.next_event()) is not None:
                await self._handle(session, event)
                if not session.share.commands():
                    self._last_word = "too many commands from your host, try again later"
                session.output.write(self._engine.to_send())
                await session.output.room()
                if self._last_word and not self._engine.closed:
                    self._engine.close(self._last_word, "SYS/TEMP")
                events += 1
                if events % TURN == 0:
                    await self._let_others()
            session.output.write(self._engine.to_send())
        except Gone:
            return
        finally:
            self._working = False
            if self._paused and self._session is not None and not self._engine.closed:
                self._paused = False
                self.transport.resumeProducing()

    async def _let_others(self) -> None:
        later: Deferred[None] = Deferred()
        self._services.timer.callLater(0, later.callback, None)
        await later

    async def _handle(self, session: Session, event: Event) -> None:
        if isinstance(event, Disconnect):
            _log.debug("{reason}", session=session.name, reason=event.reason)
            self._end(session)
            return
        if isinstance(event, StartTls):
            session.output.write(self._engine.to_send())
            self.transport.startTLS(self._services.tls)
            self._engine.tls_started()
            return
        engine = self._engine
        try:
            await HANDLERS[type(event)](session, event)
        except Gone:
            raise
        except NoSuchMessage:
            engine.error("no such message")
        except Refused as error:
            engine.error(str(error), "SYS/PERM")
        except Corrupt as error:
            _log.error("{error}", session=session.name, error=error)
            self._after(session, "the message is damaged on disk", "SYS/PERM")
        except Temporary as error:
            _log.warn("not done: {error}", session=session.name, error=error, often=True)
            self._after(session, "that cannot be done now, try again later", "SYS/TEMP")
        except Stopping:
            engine.close("the server stops", "SYS/TEMP")
        except Exception:
            if session.output.gone:
                raise Gone from None
            _log.failure("{event} failed", session=session.name, event=type(event).__name__)
            self._after(session, "an error of the server, which its log tells of", "SYS/TEMP")

    def _after(self, session: Session, text: str, code: str) -> None:
        """After a failure. In the middle of a message nothing else can be said: the client must see it end early."""
        if session.in_message:
            self._engine.close()
            self.transport.abortConnection()
        else:
            self._engine.error(text, code)

    def _failed(self, failure: Failure) -> None:
        _log.failure("a session failed", failure)
        self.transport.abortConnection()

    # Time and the end

    @property
    def user(self) -> User | None:
        return self._session.user if self._session is not None else None

    def stop(self, last_word: str) -> None:
        """-ERR at once, or at the end of the command at hand."""
        self._last_word = last_word
        if not self._working:
            self._say(last_word)

    def _say(self, last_word: str) -> None:
        session = self._session
        if session is not None and not self._engine.closed:
            self._engine.close(last_word, "SYS/TEMP")
            session.output.write(self._engine.to_send())
            self._end(session)

    def _progressed(self) -> None:
        self._heard = self._services.timer.seconds()

    def _silent(self) -> float:
        """Seconds since the last sign of life; none while a command is worked on."""
        return 0.0 if self._working else self._services.timer.seconds() - self._heard

    def _evicted(self) -> None:
        """Another login of the same user took the maildrop."""
        self._say("another session took the maildrop")

    def _alarmed(self) -> None:
        """Before login nothing prolongs what a stranger may take; then the alarm follows the last sign of life."""
        session = self._session
        if session is not None and session.user is not None:
            left = self._heard + SILENCE - self._services.timer.seconds()
            if left > 0:
                self._alarm = self._services.timer.callLater(left, self._alarmed)
                return
        if self._working:  # it is the client that does not read
            self.transport.abortConnection()
            return
        self._say("nothing was heard for too long")

    def _end(self, session: Session) -> None:
        """Hangs up after the last word, and does not wait long for a client that does not read it."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = self._services.timer.callLater(LINGER, self.transport.abortConnection)
        session.output.write(self._engine.to_send())
        session.leave()
        session.output.close()
