"""IDLE (RFC 2177): what happens in the mailbox is told as soon as it is committed."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.access.imap.services import KEEPALIVE
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.door.output import Gone
from mpcontinuity.model.timer import Alarm
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.engine import Done

# Changes that are told at a stretch: less than to who waits for the end of a command, as all that look at the mailbox
# are told of them in the same turn (30 sessions and 250 each: 84 ms).
_AT_A_STRETCH = 50

_STILL_HERE = response.status(b"*", b"OK", "still here")


class Idling:
    """An IDLE from its begin to DONE. Nothing is sent to a client that does not read: the news add up in the view."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._waiting = False
        self._alive: Alarm = session.services.timer.callLater(KEEPALIVE, self._keep_alive)
        if session.selection is not None:
            session.selection.view.on_change(self.tell)

    def tell(self) -> None:
        """Tells the client what has happened in its mailbox. Is called after each commit that changes it."""
        session = self._session
        if self._waiting or session.idling is not self:
            return
        if session.output.full:
            self._later()
            return
        if session.selection is not None:
            news = session.selection.news(expunges=True, most=_AT_A_STRETCH)
            if news is None:
                session.engine.bye("the mailbox was deleted")
            elif news:
                session.send(news)
        if session.engine.closed:
            session.connection.part()
        else:
            session.output.write(session.engine.to_send())
            if session.selection is not None and session.selection.view.untold:
                self._later()

    def _later(self) -> None:
        self._waiting = True
        Deferred.fromCoroutine(self._tell_later()).addErrback(_gone)

    async def _tell_later(self) -> None:
        """Once the client has read what was written, and others had their turn."""
        if self._session.output.full:
            await self._session.output.room()
        else:
            await self._session.turn()
        self._waiting = False
        self.tell()

    def _keep_alive(self) -> None:
        self._alive = self._session.services.timer.callLater(KEEPALIVE, self._keep_alive)
        if not self._session.output.full:
            self._session.output.write(_STILL_HERE)
        Deferred.fromCoroutine(self._session.look_into_archive()).addErrback(_gone)

    def stop(self) -> None:
        """Tells nothing any more."""
        self._alive.cancel()
        if self._session.selection is not None:
            self._session.selection.view.on_change(None)


def _gone(failure: Failure) -> None:
    if not isinstance(failure.value, Gone):
        failure.raiseException()


async def idle(session: ImapSession, asked: command.Idle) -> Status | None:
    """Does IDLE: from now on news are told as they come."""
    session.engine.idle()
    session.idling = Idling(session)
    session.idling.tell()
    return None


async def done(session: ImapSession, event: Done) -> Status:
    """Ends IDLE."""
    if session.idling is not None:
        session.idling.stop()
        session.idling = None
    return ok("done")
