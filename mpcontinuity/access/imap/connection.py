"""One connection at the IMAP door: the engine's commands to their functions, and what those come to as answers."""

from __future__ import annotations

from typing import ClassVar

from twisted.logger import Logger

from mpcontinuity.access.imap.dispatch import HANDLERS, shifts_numbers
from mpcontinuity.access.imap.fetch import Damaged
from mpcontinuity.access.imap.greeting import capabilities
from mpcontinuity.access.imap.selecting import report
from mpcontinuity.access.imap.selection import BadNumbers
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.access.imap.session import ImapSession, Status, no
from mpcontinuity.door.connection import Connection, Connections
from mpcontinuity.door.lastword import STOPPING, LastWord
from mpcontinuity.door.output import Gone
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import Corrupt, Refused, Stopping, Temporary
from mpcontinuity.protocols.imap import response
from mpcontinuity.protocols.imap.engine import Event, ServerEngine

_log = Logger()


class ImapConnection(Connection[ServerEngine, ImapServices]):
    """One client of port 143 or 993."""

    DOOR = "IMAP"
    ENDS = "{commands} commands, {fetched} messages fetched"
    LOGIN_WITHIN: ClassVar[float] = 180.0
    SILENCE: ClassVar[float] = 1800.0  # in IDLE too (RFC 9051 §5.4 demands 30 minutes at least)
    READ_AHEAD: ClassVar[int] = 64 * 1024  # clients send commands behind DONE without waiting

    def __init__(self, services: ImapServices, connections: Connections, *, implicit_tls: bool) -> None:
        engine = ServerEngine(message_size=services.limits.message_size)
        super().__init__(services, engine, connections, implicit_tls=implicit_tls)

    def begin(self) -> None:
        self.session = ImapSession(self)
        code = b"CAPABILITY " + capabilities(self.session)
        greeting = response.status(b"*", b"OK", f"{self.services.hostname} IMAP, mpcontinuity", code)
        self.engine.send(greeting)

    async def _command(self, event: Event) -> None:
        session, engine = self.session, self.engine
        status = await self._answer(session, event)
        if status is None or engine.closed:
            return
        if session.ending:  # BYE was the last word about the mailbox
            engine.complete(*status)
            engine.close()
            return
        await report(session, expunges=shifts_numbers(event))
        if not engine.closed:
            engine.complete(*status)

    async def _answer(self, session: ImapSession, event: Event) -> Status | None:
        """Returns what the command comes to, its errors as answers; None where it is not answered now."""
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
            _log.error("{error}", session=self.name, error=error)
            return no("a message is damaged on disk", b"CORRUPTION")
        except Temporary as error:
            _log.warn("not done: {error}", session=self.name, error=error, often=True)
            return no("that cannot be done now, try again later", b"UNAVAILABLE")
        except Stopping:
            self.say(STOPPING)
        except Damaged:
            self.engine.close()  # in the middle of a literal nothing else can be said
        except Exception:
            if self.output.gone:  # the command has lost its mailbox under way
                raise Gone from None
            _log.failure("{event} failed", session=self.name, event=type(event).__name__)
            return no("an error of the server, which its log tells of", b"SERVERBUG")
        return None

    def say(self, word: LastWord) -> None:
        self.engine.bye(word.text, b"UNAVAILABLE")

    @property
    def resting(self) -> bool:
        return not self.engine.busy

    def leave(self) -> None:
        self.session.leave()

    def figures(self) -> dict[str, object]:
        return {"commands": self.engine.commands, "fetched": self.session.fetched}


ImapConnection.handlers = dict.fromkeys(HANDLERS, ImapConnection._command)
