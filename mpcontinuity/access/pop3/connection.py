"""One connection at the POP3 door: the engine's events to the session's methods, and their failures as answers."""

from __future__ import annotations

from typing import ClassVar

from twisted.logger import Logger

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.access.pop3.maildrop import NoSuchMessage
from mpcontinuity.access.pop3.services import Pop3Services
from mpcontinuity.access.pop3.session import HANDLERS, Pop3Session
from mpcontinuity.door.connection import Connection, Connections
from mpcontinuity.door.lastword import EVICTED, STOPPING, LastWord
from mpcontinuity.door.output import Gone
from mpcontinuity.model.errors import Corrupt, Refused, Stopping, Temporary
from mpcontinuity.protocols.pop3.engine import ServerEngine
from mpcontinuity.protocols.pop3.events import Disconnect, Event, StartTls

_log = Logger()


class Pop3Connection(Connection[ServerEngine, Pop3Services]):
    """One client of port 110 or 995."""

    DOOR = "POP3"
    ENDS = "{fetched} messages fetched, {removed} {how}"
    LOGIN_WITHIN: ClassVar[float] = 60.0
    SILENCE: ClassVar[float] = 600.0  # RFC 1939 §3 demands ten minutes at least

    def __init__(self, services: Pop3Services, connections: Connections, *, implicit_tls: bool) -> None:
        engine = ServerEngine()
        engine.tls = implicit_tls
        engine.tls_offered = services.tls is not None and not implicit_tls
        super().__init__(services, engine, connections, implicit_tls=implicit_tls)

    def begin(self) -> None:
        self.session = Pop3Session(self, Holder(self._silent, self._evicted))
        self.engine.passwords_in_clear = self.services.plaintext_allowed(self.peer)
        self.engine.greet(f"{self.services.hostname} POP3, mpcontinuity")

    def _disconnect(self, event: Disconnect) -> None:
        _log.debug("{reason}", session=self.name, reason=event.reason)

    def _start_tls(self, event: StartTls) -> None:
        self.start_tls()

    async def _command(self, event: Event) -> None:
        engine = self.engine
        try:
            await HANDLERS[type(event)](self.session, event)
        except Gone:
            raise
        except NoSuchMessage:
            engine.error("no such message")
        except Refused as error:
            engine.error(str(error), "SYS/PERM")
        except Corrupt as error:
            _log.error("{error}", session=self.name, error=error)
            self._after("the message is damaged on disk", "SYS/PERM")
        except Temporary as error:
            _log.warn("not done: {error}", session=self.name, error=error, often=True)
            self._after("that cannot be done now, try again later", "SYS/TEMP")
        except Stopping:
            self.say(STOPPING)
        except Exception:
            if self.output.gone:
                raise Gone from None
            _log.failure("{event} failed", session=self.name, event=type(event).__name__)
            self._after("an error of the server, which its log tells of", "SYS/TEMP")

    def _after(self, text: str, code: str) -> None:
        """Answers a failure. In the middle of a message nothing else can be said: the client must see it end early."""
        if self.session.in_message:
            self.engine.close()
            self.cut()
        else:
            self.engine.error(text, code)

    def say(self, word: LastWord) -> None:
        self.engine.close(word.text, "SYS/TEMP")

    def leave(self) -> None:
        self.session.leave()

    def figures(self) -> dict[str, object]:
        session = self.session
        return {"fetched": session.fetched, "removed": session.removed, "how": session.how}

    def _silent(self) -> float:
        """Returns the seconds since the last sign of life; none while a command is worked on."""
        return 0.0 if self.working else self.services.timer.seconds() - self.heard

    def _evicted(self) -> None:
        """Another login of the same user took the maildrop."""
        self.stop(EVICTED)


Pop3Connection.handlers = {
    **dict.fromkeys(HANDLERS, Pop3Connection._command),
    StartTls: Pop3Connection._start_tls,
    Disconnect: Pop3Connection._disconnect,
}
