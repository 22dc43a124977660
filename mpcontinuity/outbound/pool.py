"""The sessions to one server: reused, and never more of them than it is willing to serve."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.opening import Opener
from mpcontinuity.outbound.session import Session
from mpcontinuity.routing.health import Observation

IDLE = 30.0  # seconds after which an unused session is closed; servers close them after minutes

Taken = Session | Outcome

_log = Logger()


class Pool:
    """``observe`` hears UNREACHABLE and THROTTLED. A session belongs to its taker until ``put`` or ``drop``."""

    def __init__(
        self, opener: Opener, connections: int, timer: Timer, observe: Callable[[Observation, str], None]
    ) -> None:
        self.opener = opener
        self._connections = connections
        self._limit = connections  # lowered when home throttles, raised by one for each round of good sessions
        self._good = 0
        self._timer = timer
        self._observe = observe
        self._idle: deque[tuple[Session, Alarm]] = deque()
        self._busy: set[Session] = set()
        self._opening = 0
        self._waiting: deque[Deferred[Taken]] = deque()
        self._generation = 0

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def size(self) -> int:
        return len(self._idle) + len(self._busy) + self._opening

    async def take(self, patience: float, *, fresh: bool = False) -> Taken:
        """A session that is ready for MAIL. ``patience``: seconds to wait for a free one when no more may be opened.

        ``fresh``: one that nobody has used before; idle ones, as old as the one that failed, are closed.
        """
        if fresh:
            self.close_idle()
        while self._idle:
            session, alarm = self._idle.pop()
            alarm.cancel()
            if session.idle:
                self._busy.add(session)
                return session
        waiter: Deferred[Taken] = Deferred()
        self._waiting.append(waiter)
        alarm = self._timer.callLater(patience, self._impatient, waiter, patience)
        self._open_more()
        try:
            return await waiter
        finally:
            if alarm.active():
                alarm.cancel()

    def put(self, session: Session) -> None:
        """Back for the next one, unless its dialogue is not at its end."""
        if session not in self._busy:  # of hosts that were left
            session.quit()
            return
        self._busy.discard(session)
        if not session.idle:
            session.abort()
        elif self.size >= self._limit:
            session.quit()
        else:
            self._good += 1
            if self._good >= self._limit < self._connections:
                self._good = 0
                self._limit += 1
            self._offer(session)
            return
        self._open_more()

    def drop(self, session: Session) -> None:
        """It is no longer counted; whoever calls this closes it."""
        self._busy.discard(session)
        self._open_more()

    def others(self, session: Session) -> bool:
        """Whether home holds other sessions of ours open."""
        return bool(self._idle or self._busy - {session})

    def throttle(self) -> None:
        """Home would serve fewer: half of what is in use, at least one."""
        self._limit = max(1, min(self._limit, len(self._busy) + len(self._idle)) // 2)
        self._good = 0

    def refuse(self, outcome: Outcome) -> None:
        """Home is down: nobody waits any more, and idle sessions are of no use."""
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            waiter.callback(outcome)
        self.close_idle()

    def close_idle(self) -> None:
        while self._idle:
            session, alarm = self._idle.pop()
            alarm.cancel()
            session.quit()

    def prefer(self, host: str) -> None:
        """This host serves, and no other comes before it: sessions to others end with what they are doing."""
        for session in [session for session, _ in self._idle if session.host != host]:
            self._expire(session)
        self._busy = {session for session in self._busy if session.host == host}

    def renew(self, opener: Opener) -> None:
        """Other hosts, or another TLS policy: sessions under way end, new ones go there."""
        self.opener = opener
        self._generation += 1
        self._limit = self._connections
        self._busy.clear()
        self.close_idle()

    # Opening

    def _open_more(self) -> None:
        while self._opening < len(self._waiting) and self.size < self._limit:
            self._opening += 1
            Deferred.fromCoroutine(self._open(self._generation)).addErrback(self._broken)

    async def _open(self, generation: int) -> None:
        opener = self.opener
        try:
            opened = await opener.open()
        finally:
            self._opening -= 1
        if generation != self._generation:  # to hosts that were left
            if isinstance(opened, Session):
                opened.quit()
            self._open_more()
        elif isinstance(opened, Session):
            opened.on_lost = self._lost
            self._offer(opened)
        elif opened.refused and (self._busy or self._idle):
            # Home serves others of ours at this moment: it wants fewer of us. Who waits gets one of those.
            self._limit = max(1, len(self._busy) + len(self._idle))
            self._good = 0
            self._observe(Observation.THROTTLED, opened.outcome.text)
        else:
            waiting, self._waiting = self._waiting, deque()
            self._observe(Observation.UNREACHABLE, opened.outcome.text)
            for waiter in waiting:
                waiter.callback(opened.outcome)

    def _offer(self, session: Session) -> None:
        if self._waiting:
            self._busy.add(session)
            self._waiting.popleft().callback(session)
        else:
            self._idle.append((session, self._timer.callLater(IDLE, self._expire, session)))

    def _expire(self, session: Session) -> None:
        self._forget_idle(session)
        session.quit()

    def _lost(self, session: Session) -> None:
        self._forget_idle(session)
        if session in self._busy:
            self._busy.discard(session)
            self._open_more()

    def _forget_idle(self, session: Session) -> None:
        for item in self._idle:
            if item[0] is session:
                self._idle.remove(item)
                if item[1].active():
                    item[1].cancel()
                return

    def _impatient(self, waiter: Deferred[Taken], patience: float) -> None:
        if waiter not in self._waiting:
            return
        if self._opening:  # has timeouts of its own
            self._timer.callLater(patience, self._impatient, waiter, patience)
            return
        self._waiting.remove(waiter)
        reason = f"no free connection within {patience:g} s"
        waiter.callback(Outcome(Verdict.FAILED, Stage.CONNECT, None, reason))

    def _broken(self, failure: object) -> None:
        _log.error("a session could not be opened: {failure}", failure=failure)
        self.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, "internal error"))
