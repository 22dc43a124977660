"""The sessions to one server: reused, and never more of them than it is willing to serve."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.capacity import Capacity, says_limit
from mpcontinuity.outbound.opening import NotOpened, Opener
from mpcontinuity.outbound.session import Session
from mpcontinuity.outbound.waiting import Waiter, Waiting
from mpcontinuity.routing.health import Observation

IDLE = 30.0  # seconds after which an unused session is closed; servers close them after minutes
LINGER = 1.0  # seconds in which a server may still count a session that we have closed
MOST_BESIDE = 200  # sessions that wait for a late reply: at the usual settings, those of more than three minutes
_GRACE = 0.25  # seconds: a connection that fails in its own time is told as that
_AGAIN = 1.0  # seconds until the next look at who waits for a session that is being opened

Taken = Session | Outcome


@dataclass(frozen=True, slots=True)
class _Loan:
    """For whom a session is in use: the client host, and the key of the first recipient's address."""

    client: str
    mailbox: str


_NOT_WANTED = Outcome(Verdict.FAILED, Stage.CONNECT, None, "not wanted any more")

_log = Logger()


class Pool:
    """The sessions to one server. One that is in use belongs to its taker until `put`, `drop`, `leave` or `beside`.

    ``observe`` hears UNREACHABLE and THROTTLED. ``stall`` is for how many seconds without a word from the server it is
    of use to wait on; None: for ever. ``is_limit``: whether the reply to a session more is a limit, where the server
    holds none of ours. ``leaves_some``: no mailbox has all sessions at once, since it may be slow: a quarter is left to
    the others.
    """

    def __init__(
        self,
        opener: Opener,
        capacity: Capacity,
        timer: Timer,
        observe: Callable[[Observation, str], None],
        *,
        stall: float | None = None,
        is_limit: Callable[[Outcome], bool] = lambda _: False,
        leaves_some: bool = False,
    ) -> None:
        self.opener = opener
        self.capacity = capacity
        capacity.members.append(self)
        self._timer = timer
        self._observe = observe
        self._stall = stall
        self._is_limit = is_limit
        self._leaves_some = leaves_some
        self._idle: deque[tuple[Session, Alarm]] = deque()
        self._busy: dict[Session, _Loan] = {}
        self._opening = 0
        self._beside: dict[Session, None] = {}  # in the order of their coming
        self._waiting: Waiting[Deferred[Taken]] = Waiting()
        self._generation = 0
        self._heard = timer.seconds()  # of sessions that are gone
        self._closed = float("-inf")  # when we closed one last
        self._together = False  # several were refused together
        self._rested: Alarm | None = None

    @property
    def limit(self) -> int:
        """How many sessions the server bears, as far as is known."""
        return self.capacity.limit

    @property
    def size(self) -> int:
        """How many sessions there are, or are being opened."""
        return self._held + self._opening

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a session."""
        return bool(self._waiting)

    @property
    def starved(self) -> bool:
        """Whether there is no session, and somebody waits for one."""
        return not self.size and self.wanted

    @property
    def _held(self) -> int:
        return len(self._idle) + len(self._busy)

    async def take(
        self,
        patience: float,
        mailbox: str = "",
        *,
        fresh: bool = False,
        client: str = "",
        gone: Callable[[], bool] = lambda: False,
        opening: float = inf,
    ) -> Taken:
        """Returns a session that is ready for MAIL, or why there is none.

        ``patience``: seconds to wait for a free one when no more may be opened, as long as the server serves.
        ``mailbox`` is the key of the first recipient's address, ``client`` the host on whose behalf. ``fresh``: one
        that nobody has used before. ``gone`` is asked before one is given. ``opening``: seconds to wait for one that is
        being opened to a single host.
        """
        loan = _Loan(client, mailbox)
        if not (fresh or self.capacity.rest(self._now()) or mailbox in self._full()):
            while self._idle:
                session, alarm = self._idle.pop()
                alarm.cancel()
                if session.idle:
                    session.queued = 0.0
                    self._lend(session, loan)
                    return session
        waiter: Waiter[Deferred[Taken]] = Waiter(Deferred(), self._now(), client, mailbox, fresh, gone, opening=opening)
        self._waiting.add(waiter)
        self._look(waiter, patience)
        self.serve()
        waiter.crowded = self._opening < len(self._waiting) or mailbox in self._full()
        try:
            return await waiter.wanted
        finally:
            if waiter.alarm is not None and waiter.alarm.active():
                waiter.alarm.cancel()

    def put(self, session: Session) -> None:
        """Takes a session back for the next one, unless its dialogue is not at its end."""
        if session not in self._busy:  # of hosts that were left
            session.quit()
            return
        self._forget(session)
        if not session.idle:
            session.abort()
        elif self._of_no_more_use(session):
            self._close(session)
        else:
            session.used_until = self._now()
            self.capacity.good(self._now())
            self._offer(session, used=True)
        self.capacity.freed()

    def drop(self, session: Session) -> None:
        """Counts a session no longer; whoever calls this closes it."""
        self._forget(session)
        self.capacity.freed()

    def leave(self, session: Session) -> None:
        """Closes a session that lives, and that its taker wants no more of."""
        self._forget(session)
        self._close(session)
        self.capacity.freed()

    def beside(self, session: Session) -> None:
        """Counts a session no longer, which waits for a late reply.

        A home that answers some messages and is silent to all others would have us hold sessions without end: of too
        many, the one that has waited longest is given up.
        """
        self.drop(session)
        if len(self._beside) >= MOST_BESIDE:
            oldest = next(iter(self._beside))
            del self._beside[oldest]
            oldest.abort(f"{oldest.host} owes {MOST_BESIDE} more replies")
        self._beside[session] = None

    def answered_late(self, session: Session) -> None:
        """Notes that a session waits for its late reply no more."""
        self._beside.pop(session, None)

    def others(self, session: Session) -> bool:
        """Returns whether the server holds other sessions of ours open."""
        return bool(self._idle or self._busy.keys() - {session})

    def claims(self) -> tuple[int, dict[str, int]]:
        """Returns how many client hosts wait and hold less than their share, and what others hold above theirs."""
        return self._waiting.claims(Counter(loan.client for loan in self._busy.values()), self.limit)

    def throttle(self) -> None:
        """Lowers the limit: the server would serve fewer."""
        self.capacity.throttle()

    def balk(self) -> None:
        """Leaves the server alone for a while: it takes nothing at this moment."""
        self.capacity.balk(self._now())
        self._wake_after_rest()

    def heard(self) -> float:
        """Returns when the server said something last, to any session, in the timer's seconds."""
        sessions = [*self._busy, *(session for session, _ in self._idle)]
        return max([self._heard, *(session.heard for session in sessions)])

    def refuse(self, outcome: Outcome) -> None:
        """Ends all waiting with this outcome, and closes idle sessions: the server is down."""
        self.turn_away(outcome)
        self.close_idle()

    def turn_away(self, outcome: Outcome) -> None:
        """Ends all waiting with this outcome."""
        for waiter in self._waiting.clear():
            waiter.wanted.callback(outcome)

    def close_idle(self) -> None:
        """Closes the sessions that nobody uses."""
        while self._idle:
            session, alarm = self._idle.pop()
            alarm.cancel()
            self._close(session)

    def prefer(self, host: str) -> None:
        """Lets sessions to other hosts end with what they are doing: this host serves, and no other comes before it."""
        for session in [session for session, _ in self._idle if session.host != host]:
            self._expire(session)
        self._busy = {session: loan for session, loan in self._busy.items() if session.host == host}

    def renew(self, opener: Opener) -> None:
        """Opens new sessions by this opener, to other hosts or with another TLS policy; sessions under way end."""
        self.opener = opener
        self._generation += 1
        self.capacity.members.remove(self)
        self.capacity = Capacity(self.capacity.most)
        self.capacity.members.append(self)
        self._busy.clear()
        self.close_idle()

    def retire(self) -> None:
        """Lets sessions under way end with what they are doing, uncounted: the server is not used any more."""
        self._generation += 1
        self.capacity.members.remove(self)
        self._busy.clear()
        self.close_idle()

    # Opening

    def serve(self) -> None:
        """Serves those who wait, as far as there is room."""
        if self._waiting and self.capacity.rest(self._now()):
            self._wake_after_rest()
            return
        if self._waiting.wants_fresh() and not self.capacity.room(self):
            self.spare()
        self._give_idle()
        while self._opening < len(self._waiting) and self.capacity.room(self):
            self._opening += 1
            Deferred.fromCoroutine(self._open(self._generation)).addErrback(self._broken)

    def _give_idle(self) -> None:
        """Idle sessions are there although somebody waits, where a mailbox had its share and has it no more."""
        while self._idle and self._waiting:
            session, alarm = self._idle[-1]
            waiter = self._next_waiter(used=True) if session.idle else None
            if session.idle and waiter is None:
                return
            self._idle.pop()
            alarm.cancel()
            if waiter is not None:
                self._give(session, waiter)

    def spare(self) -> bool:
        """Closes the session that was idle longest; returns False where there is none."""
        if not self._idle:
            return False
        session, alarm = self._idle.popleft()
        alarm.cancel()
        self._close(session)
        return True

    async def _open(self, generation: int) -> None:
        opener, began = self.opener, self._now()
        try:
            opened = await opener.open()
        finally:
            self._opening -= 1
        if generation != self._generation:  # to hosts that were left
            if isinstance(opened, Session):
                opened.quit()
            self.capacity.freed()
        elif isinstance(opened, Session):
            self._together = False
            opened.on_lost = self._lost
            opened.opened_in = self._now() - began
            self._offer(opened, used=False)
        else:
            self._not_opened(opened)

    def _not_opened(self, failed: NotOpened) -> None:
        outcome = failed.outcome
        if failed.refused and self._elsewhere():
            # Home serves others of ours at this moment: it wants fewer of us. Who waits gets one of those.
            self.capacity.refuse(self._now())
            self._observe(Observation.THROTTLED, outcome.text)
        elif failed.refused and self._opening:
            # Others are still at the door: who of them gets in shows how many it wants, and the last one that it serves
            # nobody.
            self.capacity.refuse(self._now())
            self._together = True
        elif self._is_limit(outcome) or self._of_our_doing(outcome):
            self._observe(Observation.THROTTLED, outcome.text)
            self.balk()
        else:
            waiting = self._waiting.clear()
            self._observe(Observation.UNREACHABLE, outcome.text)
            for waiter in waiting:
                waiter.wanted.callback(outcome)

    def _elsewhere(self) -> bool:
        """Whether the server holds a session of ours."""
        return bool(self._held) or self.capacity.size > self.size

    def _of_our_doing(self, outcome: Outcome) -> bool:
        """Whether it may count sessions that we closed a moment ago, or those that came together with this one."""
        together, self._together = self._together, False
        if outcome.reply is None or not outcome.reply.temporary:
            return False
        return self._now() - self._closed < LINGER or (together and says_limit(outcome.reply))

    def _offer(self, session: Session, *, used: bool) -> None:
        waiter = self._next_waiter(used=used)
        if waiter is not None:
            self._give(session, waiter)
        else:
            self._waiting.passed_over()
            self._idle.append((session, self._timer.callLater(IDLE, self._expire, session)))

    def _next_waiter(self, *, used: bool) -> Waiter[Deferred[Taken]] | None:
        if self.capacity.rest(self._now()):
            return None
        held = Counter(loan.client for loan in self._busy.values())
        full = self._full()
        while (waiter := self._waiting.next(held, self.limit, used=used, full=full)) is not None and waiter.gone():
            waiter.wanted.callback(_NOT_WANTED)  # one after the other: many may have gone
        return waiter

    def _full(self) -> frozenset[str]:
        """The mailboxes that have as many sessions as one may have."""
        if not self._leaves_some:
            return frozenset()
        most = max(1, self.limit - max(1, self.limit // 4))
        held = Counter(loan.mailbox for loan in self._busy.values())
        return frozenset(mailbox for mailbox, count in held.items() if mailbox and count >= most)

    def _give(self, session: Session, waiter: Waiter[Deferred[Taken]]) -> None:
        opened_in = 0.0 if session.served else session.opened_in
        session.queued = max(self._now() - waiter.since - opened_in, 0.0) if waiter.crowded else 0.0
        self._lend(session, _Loan(waiter.client, waiter.mailbox))
        waiter.wanted.callback(session)

    def _lend(self, session: Session, loan: _Loan) -> None:
        self._busy[session] = loan
        self.capacity.begun(self._now())

    def _of_no_more_use(self, session: Session) -> bool:
        if self.capacity.size >= self.limit or self.capacity.starves_beside(self):  # without this one
            return True
        return self.capacity.worn(session.served, session.tainted, self._now())

    def _close(self, session: Session) -> None:
        self._heard = max(self._heard, session.heard)
        self._closed = self._now()
        session.quit()

    def _expire(self, session: Session) -> None:
        self._forget_idle(session)
        self._close(session)

    def _lost(self, session: Session) -> None:
        self._forget_idle(session)
        if session in self._busy:
            self._forget(session)
            self.capacity.freed()

    def _forget(self, session: Session) -> None:
        self._heard = max(self._heard, session.heard)
        self._busy.pop(session, None)

    def _forget_idle(self, session: Session) -> None:
        for item in self._idle:
            if item[0] is session:
                self._heard = max(self._heard, session.heard)
                self._idle.remove(item)
                if item[1].active():
                    item[1].cancel()
                return

    # Waiting

    def _look(self, waiter: Waiter[Deferred[Taken]], patience: float) -> None:
        """Whether it is of use to wait on; if not, it goes without."""
        now = self._now()
        left = waiter.since + patience - now
        if self._stall is not None:
            left = min(left, max(self.heard(), waiter.since, self.capacity.rests_until) + self._stall - now)
        if self._opening and left <= 0:  # which has timeouts of its own
            left = _AGAIN
        if self._opening >= len(self._waiting) and not waiter.crowded:  # nobody who is served stands in the way
            left = min(left, waiter.since + self._patience_of_opening(waiter.opening) - now)
        if left > 0:
            waiter.alarm = self._timer.callLater(left, self._look, waiter, patience)
        elif self._waiting.remove(waiter):
            reason = f"no free connection within {now - waiter.since:g} s"
            if self._opening and not waiter.crowded:  # whoever opens it may still find it well: it is slow
                self._observe(Observation.SLOW, reason)
            waiter.wanted.callback(Outcome(Verdict.FAILED, Stage.CONNECT, None, reason))

    def _patience_of_opening(self, seconds: float) -> float:
        """Each further host may have to be found away first."""
        more = len(self.opener.targets) - 1
        return seconds + more * self.opener.environment.settings.connect_timeout + _GRACE

    def _wake_after_rest(self) -> None:
        if self._rested is None or not self._rested.active():
            self._rested = self._timer.callLater(self.capacity.rest(self._now()), self._after_rest)

    def _after_rest(self) -> None:
        """One at a time: the limit is as low as that now."""
        if self.capacity.rest(self._now()):
            self._wake_after_rest()
            return
        for _ in range(min(len(self._idle), len(self._waiting))):
            session, alarm = self._idle.pop()
            alarm.cancel()
            if self.capacity.size >= self.limit:
                self._close(session)
            elif session.idle:
                self._offer(session, used=True)
        self.capacity.freed()

    def _broken(self, failure: object) -> None:
        _log.error("a session could not be opened: {failure}", failure=failure)
        self.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, "internal error"))

    def _now(self) -> float:
        return self._timer.seconds()
