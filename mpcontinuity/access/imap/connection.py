"""A connection of the IMAP door: bytes to the engine, its events to the commands' functions, answers to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.access.imap.dispatch import HANDLERS, shifts_numbers
from mpcontinuity.access.imap.fetch import Damaged
from mpcontinuity.access.imap.greeting import capabilities
from mpcontinuity.access.imap.selection import BadNumbers, report
from mpcontinuity.access.imap.services import LINGER, LOGIN_WITHIN, READ_AHEAD, SILENCE, TURN, Services
from mpcontinuity.access.imap.session import Session, Status, no
from mpcontinuity.accounts.directory import User
from mpcontinuity.door.output import Gone, Output
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Corrupt, Refused, Stopping, Temporary
from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols.imap import response
from mpcontinuity.protocols.imap.engine import Event, ServerEngine

if TYPE_CHECKING:
    from mpcontinuity.access.imap.factory import ImapFactory

_log = Logger()


@implementer(IHalfCloseableProtocol)
class Connection(Protocol):
    """Events are worked off one after the other; what comes meanwhile waits in the engine, and beyond READ_AHEAD with
    the client."""

    factory: ImapFactory
    transport: Any

    def __init__(self, services: Services, *, implicit_tls: bool) -> None:
        self._services = services
        self._implicit_tls = implicit_tls
        self._engine = ServerEngine(message_size=services.message_size)
        self._session: Session | None = None
        self._working = False
        self._reading = True
        self._heard_out = False  # the client has closed its direction, and may still read
        self._last_word = ""  # what is said at the end of the command at hand
        self._alarm: Alarm | None = None
        self._silent_since = 0.0

    # --- the transport's side ---

    def connectionMade(self) -> None:  # noqa: N802
        host = getattr(self.transport.getPeer(), "host", "")
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        output = Output(self.transport, self._heard)
        self._session = Session(
            self._services,
            self._engine,
            output,
            name=identifier.show(self._services.store.identifiers.next()),
            peer=host,
            secure=self._implicit_tls,
            transport=self.transport,
            start_tls=self._start_tls,
            end=self._end,
        )
        self.factory.connections.add(self)
        self._alarm = self._services.timer.callLater(LOGIN_WITHIN, self._alarmed)
        code = b"CAPABILITY " + capabilities(self._session)
        output.write(response.status(b"*", b"OK", f"{self._services.hostname} IMAP, mpcontinuity", code))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        session = self._session
        if session is None or self._engine.closed:
            return
        self._heard()
        self._engine.receive(data)
        if not self._working:
            self._working = True
            Deferred.fromCoroutine(self._work(session)).addErrback(self._failed)
        if self._working and self._reading and self._engine.waiting > READ_AHEAD:
            self._reading = False
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:  # noqa: N802
        """No more will come; what came is worked off and answered, then we close too. TLS knows no half of a close."""
        self._heard_out = True
        if self._session is not None:
            self._session.heard_out = True
        if not self._working:
            self._end()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """We never close our direction alone."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._engine.close()
        session, self._session = self._session, None
        if session is not None:
            self.factory.connections.discard(self)
            session.output.lost()
            session.leave()
            # Not of balancers that connect to see whether somebody is there.
            (_log.info if session.transfer.commands and session.share.session() else _log.debug)(
                "IMAP session from {peer} ends: {commands} commands, {fetched} messages fetched",
                session=session.name,
                peer=session.peer,
                commands=session.transfer.commands,
                fetched=session.transfer.fetched,
            )

    # --- events ---

    async def _work(self, session: Session) -> None:
        events = 0
        try:
            while (event := self._engine.next_event()) is not None:
                await self._handle(session, event)
                self._heard()
                await session.flush()
                if session.ending or self._last_word:
                    self._farewell(session)
                events += 1
                if events % TURN == 0:
                    await self._let_others()
            if self._engine.closed or self._heard_out:
                self._end()
            else:
                session.output.write(self._engine.to_send())
        except Gone:
            return
        finally:
            self._working = False
            if not self._reading and not self._heard_out and self._session is not None:
                self._reading = True
                self.transport.resumeProducing()

    def _farewell(self, session: Session) -> None:
        if session.ending:
            self._engine.close()  # BYE was said
        elif not self._engine.busy:
            self._engine.bye(self._last_word, b"UNAVAILABLE")

    async def _let_others(self) -> None:
        later: Deferred[None] = Deferred()
        self._services.timer.callLater(0, later.callback, None)
        await later

    async def _handle(self, session: Session, event: Event) -> None:
        status = await self._answer(session, event)
        if status is None or self._engine.closed:
            return
        session.transfer.commands += 1
        if not session.share.commands():
            self._last_word = "too many commands from your host, try again later"
        if not session.ending:  # BYE was the last word about the mailbox
            await report(session, expunges=shifts_numbers(event))
        if not self._engine.closed:
            self._engine.complete(*status)

    async def _answer(self, session: Session, event: Event) -> Status | None:
        """What the command comes to, its errors as answers."""
        session.begin()
        try:
            return await HANDLERS[type(event)](session, event)
        except Gone:
            raise
        except BadNumbers as error:
            return Status(b"BAD", str(error))
        except MailboxRefused as error:
            return no(str(error), error.code.encode("ascii"))
        except Refused as error:
            return no(str(error))
        except Corrupt as error:
            _log.error("{error}", session=session.name, error=error)
            return no("a message is damaged on disk", b"CORRUPTION")
        except Temporary as error:
            _log.warn("not done: {error}", session=session.name, error=error, often=True)
            return no("that cannot be done now, try again later", b"UNAVAILABLE")
        except Stopping:
            self._engine.bye("the server stops", b"UNAVAILABLE")
        except Damaged:
            self._engine.close()  # in the middle of a literal nothing else can be said
        except Exception:
            if session.output.gone:  # the command has lost its mailbox under way
                raise Gone from None
            _log.failure("{event} failed", session=session.name, event=type(event).__name__)
            return no("an error of the server, which its log tells of", b"SERVERBUG")
        return None

    def _failed(self, failure: Failure) -> None:
        _log.failure("a session failed", failure)
        self.transport.abortConnection()

    def _start_tls(self) -> None:
        session = self._session
        assert session is not None
        session.output.write(self._engine.to_send())
        if not self._engine.restart():
            _log.warn("sent plain text behind STARTTLS", session=session.name)
            self._engine.close()
            self.transport.abortConnection()
            return
        self.transport.startTLS(self._services.tls)
        session.secure = True

    # --- time ---

    def _heard(self) -> None:
        self._silent_since = self._services.timer.seconds()

    def _alarmed(self) -> None:
        """Before login nothing prolongs what a stranger may take; then the alarm follows the last sign of life."""
        self._alarm = None
        session = self._session
        if session is not None and session.logged_in is not None:
            left = self._silent_since + SILENCE - self._services.timer.seconds()
            if left > 0:
                self._alarm = self._services.timer.callLater(left, self._alarmed)
                return
        if self._working:  # it is the client that does not read
            self.transport.abortConnection()
            return
        self._say_bye("you were silent for too long")

    def stop(self, last_word: str) -> None:
        """BYE at once, or at the end of the command at hand."""
        self._last_word = last_word
        if not self._working:
            self._say_bye(last_word)

    @property
    def user(self) -> User | None:
        return self._session.logged_in if self._session is not None else None

    def _say_bye(self, message: str) -> None:
        session = self._session
        if session is not None and not self._engine.closed:
            self._engine.bye(message, b"UNAVAILABLE")
            self._end()

    def _end(self) -> None:
        """Hangs up after the last word, and does not wait long for a client that does not read it."""
        session = self._session
        if session is None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._services.timer.callLater(LINGER, self._abort)
        session.output.write(self._engine.to_send())
        session.leave()
        session.output.close()

    def _abort(self) -> None:
        self._alarm = None
        self.transport.abortConnection()
